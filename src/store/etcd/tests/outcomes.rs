//! Transactions whose answers do not come: each takes place once, or not at all, as the store says.

use super::proxy::{Flow, Proxy};
use super::*;
use crate::error::Reason;

/// The ways to one member, which fail each by itself.
struct Ways {
    fleet: Fleet,
    ways: Vec<Proxy>,
}

impl Ways {
    fn new(test: &str, count: usize) -> Option<Self> {
        let fleet = Fleet::new(test)?;
        let ways = (0..count).map(|_| Proxy::to(&fleet.server.address())).collect();
        Some(Self { fleet, ways })
    }

    fn open(&self) -> Etcd {
        let members: Vec<String> = self.ways.iter().map(Proxy::address).collect();
        self.fleet.try_open("one", &members).unwrap()
    }
}

#[test]
fn a_commit_whose_answer_is_lost_takes_place_once() {
    let Some(ways) = Ways::new("a lost answer", 2) else { return };
    let store = ways.open();
    let before = store.apply(&put("k", "1")).unwrap();
    ways.ways[0].answers(Flow::Lost);
    let number = store.apply(&only_first("new", "1")).unwrap();
    assert_eq!(number, before + 1, "it is not in conflict with itself");
    ways.ways[0].answers(Flow::Passes);
    ways.ways[0].cut();
    // Nothing but its lane would keep this from taking place twice.
    ways.ways[1].answers(Flow::Lost);
    assert_eq!(store.apply(&put("k", "2")).unwrap(), number + 1);
    ways.ways[1].answers(Flow::Passes);
    ways.ways[1].cut();
    assert_eq!(store.apply(&put("k", "3")).unwrap(), number + 2);
    assert_eq!(value(&store, "new").as_deref(), Some("1"));
}

#[test]
fn what_is_said_not_to_be_done_does_not_arrive_later() {
    let Some(ways) = Ways::new("a late proposal", 3) else { return };
    let store = ways.open();
    let before = store.apply(&put("k", "1")).unwrap();
    let [one, other, _open] = &ways.ways[..] else { panic!("three ways") };
    for way in [one, other] {
        way.requests(Flow::Late(Duration::from_secs(6)));
    }
    let error = store.apply(&only_first("late", "1")).unwrap_err();
    assert_eq!(error.reason(), Reason::StoreUnavailable, "{error}");
    assert!(!error.to_string().contains("not known"), "{error}");
    one.wait_for_late();
    other.wait_for_late();
    // The fence is a commit of its own.
    assert_eq!(store.apply(&put("k", "2")).unwrap(), before + 2);
    assert_eq!(value(&store, "late"), None);
    assert_eq!(value(&ways.fleet.open("other"), "late"), None);
}

#[test]
fn an_outcome_that_nobody_tells_is_settled_before_the_next_commit() {
    let Some(ways) = Ways::new("an unknown outcome", 1) else { return };
    let store = ways.open();
    let before = store.apply(&put("k", "1")).unwrap();
    let [way] = &ways.ways[..] else { panic!("one way") };
    way.answers(Flow::Lost);
    let error = store.apply(&only_first("new", "1")).unwrap_err();
    assert!(
        error.to_string().contains("it is not known yet whether the change was made"),
        "{error}"
    );
    assert_eq!(value(&store, "k").as_deref(), Some("1"), "what was known is still read");
    way.answers(Flow::Passes);
    way.cut();
    let number = store.apply(&put("k", "2")).unwrap();
    assert_eq!(number, before + 2, "it has taken place, once");
    assert_eq!(value(&store, "new").as_deref(), Some("1"));
}

#[test]
fn an_etcd_that_is_gone_is_said_soon_and_its_return_noticed() {
    let Some(ways) = Ways::new("an etcd that is gone", 1) else { return };
    let store = ways.open();
    store.apply(&put("k", "1")).unwrap();
    let [way] = &ways.ways[..] else { panic!("one way") };
    way.requests(Flow::Lost);
    way.answers(Flow::Lost);
    let began = Instant::now();
    assert!(store.apply(&put("k", "2")).is_err());
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    way.requests(Flow::Passes);
    way.answers(Flow::Passes);
    way.cut();
    store.apply(&put("k", "3")).unwrap();
    assert_eq!(value(&store, "k").as_deref(), Some("3"));
}

#[test]
fn a_process_that_ends_leaves_nothing_that_arrives_after_the_next_has_begun() {
    let Some(ways) = Ways::new("what an ended process has sent", 2) else { return };
    let store = ways.open();
    store.apply(&put("k", "1")).unwrap();
    for way in &ways.ways {
        way.requests(Flow::Late(Duration::from_secs(8)));
    }
    assert!(store.apply(&only_first("late", "1")).is_err());
    drop(store);
    let store = ways.fleet.open("one");
    ways.ways.iter().for_each(Proxy::wait_for_late);
    let number = store.apply(&put("k", "2")).unwrap();
    assert_eq!(store.number().unwrap(), number);
    assert_eq!(value(&store, "late"), None);
}

#[test]
fn the_death_of_a_leader_delays_commits_and_loses_none() {
    if !skip::has_all("the death of a leader", &[member::ETCD, "etcdctl"]) {
        return;
    }
    let [first, second, third] = member::Etcd::start_three();
    let members = [first.address(), second.address(), third.address()];
    let (dying, others): (Vec<_>, Vec<_>) =
        [first, second, third].into_iter().partition(member::Etcd::leads);
    let [leader] = <[_; 1]>::try_from(dying).expect("one leader");
    let mut others = others.into_iter();
    let fleet = Fleet::on(Arc::new(others.next().unwrap()));
    let stores = ["one", "other"].map(|host| fleet.try_open(host, &members).unwrap());
    stores[0].apply(&put("before", "1")).unwrap();
    drop(leader);
    for (at, store) in stores.iter().enumerate() {
        store.apply(&only_first(&format!("after {at}"), "1")).unwrap();
    }
    let number = stores[1].number().unwrap();
    wait_for(&stores[0], number);
    for key in ["before", "after 0", "after 1"] {
        assert!(stores.iter().all(|store| value(store, key).as_deref() == Some("1")), "{key}");
    }
}
