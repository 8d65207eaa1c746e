//! Connections, tokens, PINs, search, commits.

use super::*;
use crate::wire::{AgentLocation, Link};

#[test]
fn a_token_is_kept_and_shown_without_what_guesses_need() {
    let mut world = World::new();
    world.restart();
    let Response::Tokens(tokens) = world.connect().ask(Request::Tokens) else { panic!() };
    assert_eq!((tokens.len(), tokens[0].id, tokens[0].slot, tokens[0].revision), (1, TOKEN, 0, 1));
    assert_eq!(TokenEntry::decode(&tokens[0].entry).unwrap(), entry(true).redacted());
}

#[test]
fn a_token_changes_under_its_revision_and_only_by_who_shows_a_pin() {
    let world = World::new();
    let changed = changed(|it| it.user = Some(entry(true).officer));
    let mut peer = world.connect();
    let revision = Expect::Revision;
    assert_eq!(reason(peer.put_token(revision(1), &changed)), Reason::NotLoggedIn);
    assert_eq!(reason(peer.put_token(Expect::Absent, &changed)), Reason::Conflict);
    assert_eq!(reason(world.user().put_token(revision(1), &changed)), Reason::NotLoggedIn);
    let wrong = Some(authority(true, b"wrong!"));
    assert_eq!(
        reason(peer.put_token_by(wrong, revision(1), &changed, false)),
        Reason::PinIncorrect
    );
    assert_eq!(peer.login(false, b"123456").unwrap().wrong, (1, 0), "it counts as a login");
    assert_eq!(
        reason(peer.put_token_by(officer(), revision(2), &changed, false)),
        Reason::Conflict
    );
    assert_eq!(peer.put_token_by(officer(), revision(1), &changed, false), Ok(2));
    assert_eq!(
        peer.login(true, b"87654321").unwrap().entry,
        changed.released_to(true).encode().unwrap()
    );
}

#[test]
fn a_user_changes_the_users_pin_and_nothing_else_of_a_token() {
    let world = World::new();
    let mut user = world.user();
    user.commit(custody::born(None)).unwrap();
    for _ in 0..9 {
        assert_eq!(reason(world.connect().login(true, b"wrong!")), Reason::PinIncorrect);
    }
    let by = || Some(authority(false, b"123456"));
    let named = changed(|it| it.label = "changed".into());
    let deposed = changed(|it| it.officer = entry(true).user.unwrap());
    let without_custody = changed(|it| it.custody = false);
    for (entry, wipe) in
        [(named, false), (deposed, false), (without_custody, false), (entry(true), true)]
    {
        let refused = user.put_token_by(by(), Expect::Revision(1), &entry, wipe);
        assert_eq!(reason(refused), Reason::Unlawful);
    }
    let changed = changed(|it| it.user = Some(entry(true).officer));
    assert_eq!(user.put_token_by(by(), Expect::Revision(1), &changed, false), Ok(2));
    assert_eq!(user.find(&[]).len(), 2, "nothing is lost");
    let Response::Tokens(tokens) = user.ask(Request::Tokens) else { panic!() };
    assert_eq!(tokens[0].wrong, (9, 0), "and the security officer's PIN is guessed no further");
}

#[test]
fn a_pin_change_whose_answer_was_lost_is_answered_again() {
    let world = World::new();
    let changed = changed(|it| it.user = Some(entry(true).officer));
    let change = random();
    for _ in 0..2 {
        let request = Request::PutToken {
            token: TOKEN,
            expect: Expect::Revision(1),
            entry: changed.encode().unwrap(),
            slot: None,
            by: Some(authority(false, b"123456")),
            wipe: false,
            change,
        };
        assert!(matches!(world.connect().ask(request), Response::Done(2)));
    }
    let Response::Tokens(tokens) = world.connect().ask(Request::Tokens) else { panic!() };
    assert_eq!(tokens[0].wrong, (0, 0));
}

#[test]
fn wrong_pins_are_counted_across_restarts_and_the_tenth_locks() {
    let mut world = World::new();
    for _ in 0..5 {
        assert_eq!(reason(world.connect().login(false, b"wrong!")), Reason::PinIncorrect);
    }
    world.restart();
    for _ in 0..5 {
        assert_eq!(reason(world.connect().login(false, b"wrong!")), Reason::PinIncorrect);
    }
    assert_eq!(reason(world.connect().login(false, b"123456")), Reason::PinLocked);
    world.restart();
    assert_eq!(reason(world.connect().login(false, b"123456")), Reason::PinLocked);

    let mut officer = world.connect();
    assert_eq!(officer.login(true, b"87654321").unwrap().wrong, (0, 10));
    let pin = Pin::wrap(TOKEN, &token_key(), b"654321", [9; 16], &[9; 32]).unwrap();
    let unlocked = changed(|it| it.user = Some(pin));
    assert_eq!(officer.put_token_by(self::officer(), Expect::Revision(1), &unlocked, false), Ok(2));
    let Response::Tokens(tokens) = officer.ask(Request::Tokens) else { panic!() };
    assert_eq!(tokens[0].wrong, (0, 0));
}

#[test]
fn the_right_pin_starts_the_count_again_and_proves_the_connection() {
    let world = World::new();
    let mut peer = world.connect();
    assert!(peer.login(false, b"wrong!").is_err());
    let full = peer.login(false, b"123456").unwrap();
    let shown = TokenEntry::decode(&full.entry).unwrap();
    assert_eq!((full.wrong, shown), ((0, 0), entry(true).released_to(false)));
    let key = Id::new([9; 16]);
    let create =
        || vec![metadata(key, Expect::Absent, &Event::Create, KeyState::awaiting_import())];
    peer.commit(create()).unwrap();
    assert!(peer.read(key).is_some());
    assert!(matches!(peer.ask(Request::Forget { token: TOKEN }), Response::Done(0)));
    assert!(peer.read(key).is_none(), "private");
    assert_eq!(peer.find(&[]), vec![]);
    let other = vec![metadata(
        Id::new([8; 16]),
        Expect::Absent,
        &Event::Create,
        KeyState::awaiting_import(),
    )];
    assert_eq!(reason(peer.commit(other)), Reason::NotLoggedIn);
}

#[test]
fn a_login_is_proved_on_further_connections_by_its_ticket_and_after_a_restart_too() {
    let mut world = World::new();
    let key = Id::new([9; 16]);
    let create = vec![metadata(key, Expect::Absent, &Event::Create, KeyState::awaiting_import())];
    let mut user = world.connect();
    let (_, ticket) = user.log_in(false, b"123456").unwrap();
    user.commit(create).unwrap();
    for _ in 0..2 {
        let (mut peer, mut other) = (world.connect(), world.connect());
        let (proof, again) = (peer.proof(false, &ticket), peer.proof(false, &ticket));
        assert!(matches!(other.ask(again), Response::Refused(_)), "another connection's");
        assert!(matches!(peer.ask(proof), Response::Done(0)));
        assert!(peer.read(key).is_some() && other.read(key).is_none());
        world.restart();
    }
}

#[test]
fn a_users_login_proves_no_officers_and_an_officers_no_users() {
    let world = World::new();
    let ticket = |officer: bool| {
        let pin: &[u8] = if officer { b"87654321" } else { b"123456" };
        world.connect().log_in(officer, pin).unwrap().1
    };
    for (of, shown) in [(true, true), (true, false), (false, true), (false, false)] {
        let mut peer = world.connect();
        let request = peer.proof(shown, &ticket(of));
        assert_eq!(matches!(peer.ask(request), Response::Done(0)), of == shown);
    }
}

#[test]
fn an_officers_login_sets_the_users_pin_and_ends_with_the_officers() {
    let world = World::new();
    let (_, ticket) = world.connect().log_in(true, b"87654321").unwrap();
    let proved = |ticket| {
        let mut peer = world.connect();
        let proof = peer.proof(true, ticket);
        matches!(peer.ask(proof), Response::Done(0)).then_some(peer)
    };
    let mut officer = proved(&ticket).unwrap();
    let pin = || Pin::wrap(TOKEN, &token_key(), b"654321", [9; 16], &[9; 32]).unwrap();
    let shown = |change: &dyn Fn(&mut TokenEntry)| {
        let mut shown = entry(true).redacted();
        change(&mut shown);
        shown
    };
    let revision = Expect::Revision;
    for (unlawful, wipe) in [
        (shown(&|it| it.officer = pin()), false),
        (shown(&|it| it.label.push('!')), false),
        (shown(&|it| it.user = None), false),
        (shown(&|it| it.user = None), true),
    ] {
        let refused = officer.put_token_by(None, revision(1), &unlawful, wipe);
        assert_eq!(reason(refused), Reason::Unlawful);
    }
    let set = shown(&|it| it.user = Some(pin()));
    assert_eq!(reason(world.user().put_token(revision(1), &set)), Reason::NotLoggedIn);
    assert_eq!(officer.put_token(revision(1), &set), Ok(2));
    let mut other = set.clone();
    other.officer = pin();
    assert_eq!(officer.put_token_by(self::officer(), revision(2), &other, false), Ok(3));
    assert!(proved(&ticket).is_none(), "the PIN that gave it is another one");
    let refused = officer.put_token(revision(3), &set);
    assert_eq!(reason(refused), Reason::NotLoggedIn, "and here neither");
}

#[test]
fn a_users_login_ends_with_the_user_on_the_connections_there_are() {
    let world = World::new();
    let mut user = world.user();
    let (key, mut peer) = (Id::new([9; 16]), world.connect());
    let create = vec![metadata(key, Expect::Absent, &Event::Create, KeyState::awaiting_import())];
    user.commit(create).unwrap();
    let other = changed(|it| it.user = Some(entry(true).officer));
    assert_eq!(peer.put_token_by(officer(), Expect::Revision(1), &other, false), Ok(2));
    assert!(user.read(key).is_some(), "it holds, whatever becomes of the PIN");
    let anew = changed(|it| it.user = None);
    assert_eq!(peer.put_token_by(officer(), Expect::Revision(2), &anew, true), Ok(3));
    assert!(user.read(key).is_none() && user.find(&[]).is_empty());
    assert_eq!(reason(user.commit(Vec::new())), Reason::NotLoggedIn);
}

#[test]
fn records_are_found_by_all_their_tags_in_order_and_page_by_page() {
    let world = World::new();
    let mut peer = world.user();
    let (even, third) = ([2; 16], [3; 16]);
    for number in 1..=60u8 {
        let mut tags = Vec::new();
        tags.extend((number % 2 == 0).then_some(even));
        tags.extend((number % 3 == 0).then_some(third));
        peer.commit(vec![object(Id::new([number; 16]), Expect::Absent, &tags, b"")]).unwrap();
    }
    let numbers = |ids: &[Id]| ids.iter().map(|id| id.bytes()[0]).collect::<Vec<_>>();
    assert_eq!(numbers(&peer.find(&[])), (1..=60).collect::<Vec<_>>());
    assert_eq!(numbers(&peer.find(&[&even, &third])), (1..=10).map(|n| n * 6).collect::<Vec<_>>());
    assert_eq!(peer.find(&[&even, &[9; 16]]), vec![]);

    let (mut after, mut pages) = (None, Vec::new());
    loop {
        let alternatives = vec![vec![even], vec![third]];
        let request = Request::Find { token: TOKEN, alternatives, now: 0, after, limit: 7 };
        let Response::Found { ids, more } = peer.ask(request) else { panic!() };
        assert!(ids.len() <= 7);
        after = ids.last().copied();
        pages.extend(numbers(&ids));
        if !more {
            break;
        }
    }
    let expected: Vec<u8> = (1..=60).filter(|n| n % 2 == 0 || n % 3 == 0).collect();
    assert_eq!(pages, expected);
    assert_eq!(world.user().find(&[]).len(), 60);
}

#[test]
fn a_change_needs_the_revision_that_stands_there() {
    let mut world = World::new();
    let mut peer = world.user();
    let id = Id::new([7; 16]);
    assert_eq!(peer.commit(vec![object(id, Expect::Absent, &[META], b"one")]), Ok(vec![1]));
    assert_eq!(reason(peer.commit(vec![object(id, Expect::Absent, &[], b"x")])), Reason::Conflict);
    assert_eq!(
        reason(peer.commit(vec![object(id, Expect::Revision(2), &[], b"x")])),
        Reason::Conflict
    );
    assert_eq!(
        peer.commit(vec![object(id, Expect::Revision(1), &[MATERIAL], b"two")]),
        Ok(vec![2])
    );
    assert_eq!((peer.find(&[&META]), peer.find(&[&MATERIAL])), (vec![], vec![id]));
    world.restart();
    let mut peer = world.user();
    let (stored, _) = peer.read(id).unwrap();
    assert_eq!((stored.revision, stored.sealed.as_slice()), (2, &b"two"[..]));
    assert_eq!(peer.commit(vec![removal(id, 2)]), Ok(vec![0]));
    assert_eq!((peer.read(id), peer.find(&[])), (None, vec![]));
}

#[test]
fn a_commit_happens_whole_or_not_at_all() {
    let world = World::new();
    let mut peer = world.user();
    let (one, two) = (Id::new([1; 16]), Id::new([2; 16]));
    let changes =
        vec![object(one, Expect::Absent, &[], b""), object(two, Expect::Revision(1), &[], b"")];
    assert_eq!(reason(peer.commit(changes)), Reason::Conflict);
    assert_eq!(peer.find(&[]), vec![]);
    let twice = vec![object(one, Expect::Absent, &[], b""), object(one, Expect::Absent, &[], b"")];
    assert_eq!(reason(peer.commit(twice)), Reason::Unlawful);
}

#[test]
fn a_retry_after_a_lost_answer_gets_the_first_result() {
    let mut world = World::new();
    let (id, change) = (Id::new([7; 16]), [0xC7; 16]);
    let create = || vec![object(id, Expect::Absent, &[], b"one")];
    assert_eq!(world.user().commit_as(change, create()), Ok(vec![1]));
    world.user().commit(vec![object(id, Expect::Revision(1), &[], b"two")]).unwrap();
    world.restart();
    assert_eq!(world.user().commit_as(change, create()), Ok(vec![1]));
    assert_eq!(world.connect().read(id).unwrap().0.revision, 2);
    let gone = [0xC8; 16];
    assert_eq!(world.user().commit_as(gone, vec![removal(id, 2)]), Ok(vec![0]));
    assert_eq!(world.user().commit_as(gone, vec![removal(id, 2)]), Ok(vec![0]));
}

#[test]
fn changes_and_starts_move_the_generations() {
    let mut world = World::new();
    let location = AgentLocation {
        directory: world.path(),
        program: None,
        configuration: None,
        records: None,
    };
    let page = Link::new(location).page().unwrap();
    let (id, other) = (Id::new([7; 16]), Id::new([200; 16]));
    let before = (page.token(TOKEN), page.record(id), page.record(other));
    world.user().commit(vec![object(id, Expect::Absent, &[], b"")]).unwrap();
    assert!(page.token(TOKEN) >= before.0 + 2 && page.record(id) >= before.1 + 2);
    assert_eq!(page.record(other), before.2);
    assert_eq!(page.mark(), START);
    world.restart();
    assert_ne!(page.record(other), before.2);
}

#[test]
fn commits_of_many_connections_at_once_are_all_there() {
    let mut world = World::new();
    std::thread::scope(|scope| {
        for thread in 0..8u8 {
            let mut peer = world.user();
            scope.spawn(move || {
                for number in 0..25u8 {
                    let mut id = [thread; 16];
                    id[15] = number;
                    peer.commit(vec![object(Id::new(id), Expect::Absent, &[META], b"x")]).unwrap();
                }
            });
        }
    });
    world.restart();
    assert_eq!(world.connect().find(&[&META]).len(), 200);
}

#[test]
fn a_stuck_or_rude_peer_harms_nobody() {
    use std::io::Write;
    let world = World::new();
    let mut stuck = Client::connect(&world.path());
    stuck.0.write_all(&[200, 0, 0, 0, 1]).unwrap();
    let mut silent = UnixStream::connect(world.path().join(socket::NAME)).unwrap();
    silent.write_all(&[1]).unwrap();
    let mut rude = Client::connect(&world.path());
    rude.0.write_all(&[0xFF; 64]).unwrap();
    assert!(rude.try_ask(&Request::Tokens).is_none());
    let mut early = Client::silent(&world.path());
    assert!(matches!(early.ask(Request::Tokens), Response::Refused(_)));
    assert!(matches!(world.connect().ask(Request::Tokens), Response::Tokens(_)));
}

#[test]
fn an_agent_and_a_module_that_share_no_protocol_part() {
    let world = World::new();
    let mut peer = Client::silent(&world.path());
    for (protocol, store_format) in [((900, 901), STORE_FORMAT), (PROTOCOL, 0)] {
        let answer = peer.ask(Request::Hello { protocol, store_format });
        let Response::Refused(error) = answer else { panic!("{answer:?}") };
        assert_eq!(error.reason(), Reason::AgentRefuses);
    }
    let newer = Request::Hello { protocol: (PROTOCOL.0, 999), store_format: 999 };
    assert!(
        matches!(peer.ask(newer), Response::Welcome { protocol, .. } if protocol == PROTOCOL.1)
    );
}

#[test]
fn an_agent_whose_store_goes_away_ends() {
    let mut world = World::new();
    std::fs::remove_dir_all(world.path()).unwrap();
    let _ended = world.wait();
    assert!(!world.path().exists(), "it made nothing anew");
    std::fs::create_dir(world.path()).unwrap();
}

#[test]
fn a_store_that_lost_its_records_is_refused_by_name() {
    let mut world = World::new();
    world.user().commit(vec![object(Id::new([7; 16]), Expect::Absent, &[], b"")]).unwrap();
    world.stop().unwrap();
    std::fs::remove_dir_all(world.path().join("db")).unwrap();
    std::fs::remove_file(world.path().join("snapshot")).unwrap();
    let Claim::Ours(lock) = claim(&world.path()).unwrap() else { panic!() };
    let options = Options { linger: false, idle: Some(Duration::ZERO), ..options() };
    let (_stop, stopped) = UnixStream::pair().unwrap();
    let clock = Arc::clone(&world.clock);
    let error = serve_until(&lock, &options, clock, &stopped, || panic!("served")).unwrap_err();
    assert_eq!(error.reason(), Reason::StoreDamaged);
    assert!(error.to_string().contains(world.path().to_str().unwrap()), "{error}");
}

#[test]
fn an_idle_agent_ends_and_its_socket_is_gone() {
    let mut world = World::new();
    world.stop().unwrap();
    let Claim::Ours(lock) = claim(&world.path()).unwrap() else { panic!() };
    let options = Options { idle: Some(Duration::from_millis(20)), ..options() };
    let (_stop, stopped) = UnixStream::pair().unwrap();
    serve_until(&lock, &options, Arc::clone(&world.clock) as _, &stopped, || {}).unwrap();
    assert!(!world.path().join(socket::NAME).exists());
}

#[test]
fn an_answer_ends_where_its_frame_does() {
    let world = World::new();
    let mut peer = world.user();
    let ids: Vec<Id> = (1..=3).map(|number| Id::new([number; 16])).collect();
    for id in &ids {
        peer.commit(vec![object(*id, Expect::Absent, &[], &vec![7; 2 << 20])]).unwrap();
    }
    let answer = peer.ask(Request::Read { token: TOKEN, ids: ids.clone() });
    let Response::Records(records) = answer else { panic!("{answer:?}") };
    assert_eq!(records.len(), 1, "two do not fit, and the rest is to be asked for");
    assert_eq!(peer.read(ids[2]).unwrap().0.sealed.len(), 2 << 20);
}

#[test]
fn only_who_has_proved_itself_has_lines_in_the_audit_log() {
    let world = World::new();
    let refusal =
        || Request::ImportRefused { token: TOKEN, key: None, reason: Reason::OtherMaterial };
    let end = |peer: &mut Client| match peer.ask(Request::AuditHead) {
        Response::AuditHead { seq, waiting: 0, .. } => seq,
        other => panic!("{other:?}"),
    };
    let mut stranger = world.connect();
    let before = end(&mut stranger);
    let Response::Refused(error) = stranger.ask(refusal()) else { panic!() };
    assert_eq!(error.reason(), Reason::NotLoggedIn);
    assert_eq!(end(&mut stranger), before);
    assert!(matches!(world.user().ask(refusal()), Response::Done(0)));
    assert_eq!(end(&mut stranger), before + 1);
}
