//! Custody against all that clients may send: random commits against the promises, and each promise alone.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use super::*;
use crate::key::{Expiry, ExpiryAction, MaterialState, Tag};
use crate::tests::cases;
use proptest::prelude::*;

const NOW: Seconds = 1_800_000_000;
const DAY: Seconds = 86_400;

/// The records of a token in a map.
#[derive(Default, Clone)]
struct Table(BTreeMap<Id, KnownRecord>);

impl View for Table {
    fn record(&self, id: Id) -> Result<Option<KnownRecord>> {
        Ok(self.0.get(&id).cloned())
    }

    fn material(&self, key: Id) -> Result<Vec<KnownRecord>> {
        Ok(self.0.values().filter(|known| belongs(&known.header, key)).cloned().collect())
    }

    fn owner(&self, fingerprint: &Fingerprint) -> Result<Option<Id>> {
        let owner = |known: &KnownRecord| match &known.header.role {
            Role::Material { key, fingerprint: it, .. } => (it == fingerprint).then_some(*key),
            Role::CustomKey(state) => {
                (state.fingerprint.as_ref() == Some(fingerprint)).then_some(known.id)
            }
            Role::Object { .. } => None,
        };
        Ok(self.0.values().find_map(owner).filter(|key| self.0.contains_key(key)))
    }
}

impl Table {
    /// Judges a commit and, if it is lawful, carries it out as the writer does.
    fn commit(&mut self, proposals: &[Proposal], moment: CommitContext) -> Result<()> {
        for id in judge(self, proposals, moment)? {
            self.0.remove(&id);
        }
        for proposal in proposals {
            match proposal.put.clone() {
                Some(header) => {
                    let known = KnownRecord { id: proposal.id, header, erasure: Erasure::Live };
                    self.0.insert(proposal.id, known);
                }
                None => drop(self.0.remove(&proposal.id)),
            }
        }
        Ok(())
    }

    /// Erases what is due, as the sweep does.
    fn sweep(&mut self, now: Seconds) {
        self.0.retain(|_, known| {
            let ended = known.is_dead(now);
            if ended && known.erasure == Erasure::Live {
                known.erasure = Erasure::Ended(Tombstone::Expired(now));
            }
            !ended || matches!(known.header.role, Role::Material { .. })
        });
    }

    fn state(&self, key: Id) -> Option<&KeyState> {
        match self.0.get(&key).map(|known| &known.header.role) {
            Some(Role::CustomKey(state)) => Some(state),
            _ => None,
        }
    }

    fn live(&self, key: Id, now: Seconds) -> Vec<(u32, Fingerprint, Option<Expiry>)> {
        let mut live: Vec<_> = self
            .material(key)
            .unwrap()
            .iter()
            .filter(|known| !known.is_dead(now))
            .filter_map(|known| match known.header.role {
                Role::Material { version, fingerprint, .. } => {
                    Some((version, fingerprint, known.header.expiry))
                }
                _ => None,
            })
            .collect();
        live.sort_unstable_by_key(|(version, ..)| *version);
        live
    }
}

fn key(number: u8) -> Id {
    Id::new([number; 16])
}

fn its(key: u8, number: u8) -> Id {
    let mut id = [key; 16];
    id[15] = 0xE0 + number;
    Id::new(id)
}

fn print(number: u8) -> Fingerprint {
    Fingerprint([number; 32])
}

fn proved(now: Seconds) -> CommitContext {
    by(Access::User, now)
}

fn by(access: Access, now: Seconds) -> CommitContext {
    CommitContext { now, clock: now, access }
}

fn of_key(id: Id, event: Event, state: KeyState) -> Proposal {
    let role = Role::CustomKey(state);
    let put = Some(Header { private: true, role, expiry: None, tags: vec![] });
    Proposal { id, event: Some(event), put }
}

fn of_material(
    id: Id,
    key: Id,
    version: u32,
    fingerprint: Fingerprint,
    expiry: Option<Expiry>,
) -> Proposal {
    let role = Role::Material { key, version, fingerprint };
    Proposal { id, event: None, put: Some(Header { private: true, role, expiry, tags: vec![] }) }
}

fn removal(id: Id) -> Proposal {
    Proposal { id, event: None, put: None }
}

fn erase_at(at: Seconds) -> Option<Expiry> {
    Some(Expiry { at, action: ExpiryAction::Erase })
}

/// A table with an external key 1 (fingerprint 1) and a generated key 2 (fingerprint 2).
fn furnished(expiry: Option<Expiry>) -> Table {
    let mut table = Table::default();
    let import = Event::Import { fingerprint: print(1), expiry };
    let state = KeyState::awaiting_import().apply(&import, NOW).unwrap();
    let external =
        [of_key(key(1), Event::Create, state), of_material(its(1, 0), key(1), 1, print(1), expiry)];
    table.commit(&external, proved(NOW)).unwrap();
    let generated = [
        of_key(key(2), Event::Create, KeyState::generated(print(2))),
        of_material(its(2, 0), key(2), 1, print(2), None),
    ];
    table.commit(&generated, proved(NOW)).unwrap();
    table
}

fn refused(table: &Table, proposals: &[Proposal], moment: CommitContext) -> Reason {
    judge(table, proposals, moment).unwrap_err().reason()
}

/// The state of `id` after `event`, as a well-behaved module computes it.
fn after(table: &Table, id: Id, event: &Event, now: Seconds) -> KeyState {
    let state = table.state(id).unwrap().clone();
    state.expire(Erasure::Live, now).apply(event, now).unwrap()
}

#[test]
fn custom_keys_and_generated_material_are_undestroyable() {
    let table = furnished(None);
    for attempt in [vec![removal(key(1))], vec![removal(key(2))], vec![removal(its(2, 0))]] {
        assert_eq!(refused(&table, &attempt, proved(NOW)), Reason::Undestroyable);
    }
    let state = table.state(key(2)).unwrap().clone();
    let emptied = KeyState { material: MaterialState::Deleted, ..state.clone() };
    let with_event = [of_key(key(2), Event::DeleteMaterial, emptied), removal(its(2, 0))];
    assert_eq!(refused(&table, &with_event, proved(NOW)), Reason::Undestroyable);
    let described = [of_key(key(2), Event::Describe, state), removal(its(2, 0))];
    assert_eq!(refused(&table, &described, proved(NOW)), Reason::Undestroyable);
}

#[test]
fn material_moves_only_with_its_key() {
    let table = furnished(None);
    let alone = [
        vec![removal(its(1, 0))],
        vec![of_material(its(1, 0), key(1), 1, print(1), None)],
        vec![of_material(its(1, 1), key(1), 1, print(1), None)],
        vec![of_material(its(9, 0), key(9), 1, print(9), None)],
    ];
    for attempt in alone {
        assert_eq!(refused(&table, &attempt, proved(NOW)), Reason::Unlawful, "{attempt:?}");
    }
    let state = after(&table, key(1), &Event::Describe, NOW);
    let moved =
        [of_key(key(1), Event::Describe, state), of_material(its(1, 0), key(1), 1, print(1), None)];
    judge(&table, &moved, proved(NOW)).unwrap();
}

#[test]
fn associated_material_is_never_exchanged() {
    let table = furnished(None);
    let event = Event::Import { fingerprint: print(7), expiry: None };
    let state = KeyState { fingerprint: Some(print(7)), ..table.state(key(1)).unwrap().clone() };
    let other =
        [of_key(key(1), event, state.clone()), of_material(its(1, 0), key(1), 1, print(7), None)];
    assert_eq!(refused(&table, &other, proved(NOW)), Reason::OtherMaterial);
    let described = after(&table, key(1), &Event::Describe, NOW);
    let slipped_in = [
        of_key(key(1), Event::Describe, described),
        of_material(its(1, 0), key(1), 1, print(7), None),
    ];
    assert_eq!(refused(&table, &slipped_in, proved(NOW)), Reason::Unlawful);
    let fresh = [
        of_key(key(1), Event::Import { fingerprint: print(7), expiry: None }, state),
        of_material(its(1, 1), key(1), 1, print(7), None),
        removal(its(1, 0)),
    ];
    assert_eq!(refused(&table, &fresh, proved(NOW)), Reason::OtherMaterial);
    let same = Event::Import { fingerprint: print(1), expiry: None };
    let state = after(&table, key(1), &same, NOW);
    let lied = [
        of_key(key(1), same, state),
        of_material(its(1, 1), key(1), 1, print(7), None),
        removal(its(1, 0)),
    ];
    assert_eq!(refused(&table, &lied, proved(NOW)), Reason::Unlawful);
}

#[test]
fn two_custom_keys_never_hold_the_same() {
    let mut table = furnished(None);
    let event = Event::Import { fingerprint: print(1), expiry: None };
    let state = KeyState::awaiting_import().apply(&event, NOW).unwrap();
    let third =
        [of_key(key(3), Event::Create, state), of_material(its(3, 0), key(3), 1, print(1), None)];
    assert_eq!(refused(&table, &third, proved(NOW)), Reason::MaterialHeld);
    let emptied = after(&table, key(1), &Event::DeleteMaterial, NOW);
    let deletion = [of_key(key(1), Event::DeleteMaterial, emptied), removal(its(1, 0))];
    table.commit(&deletion, proved(NOW)).unwrap();
    assert_eq!(refused(&table, &third, proved(NOW)), Reason::MaterialHeld, "associated for good");
}

#[test]
fn two_new_keys_of_one_commit_never_hold_the_same() {
    let mut table = Table::default();
    let born = |number| {
        [
            of_key(key(number), Event::Create, KeyState::generated(print(5))),
            of_material(its(number, 0), key(number), 1, print(5), None),
        ]
    };
    let both = [born(1), born(2)].concat();
    assert_eq!(table.commit(&both, proved(NOW)).unwrap_err().reason(), Reason::MaterialHeld);
}

#[test]
fn nothing_changes_without_a_proof_and_nothing_private_by_the_officer() {
    let table = furnished(None);
    let header = |private| Header {
        private,
        role: Role::Object { holds_key: false },
        expiry: None,
        tags: vec![Tag([1; 16])],
    };
    let put = |private| [Proposal { id: key(9), event: None, put: Some(header(private)) }];
    let (nobody, officer) = (by(Access::Public, NOW), by(Access::Officer, NOW));
    assert_eq!(refused(&table, &put(false), nobody), Reason::NotLoggedIn);
    judge(&table, &put(false), officer).unwrap();
    let state = after(&table, key(1), &Event::Describe, NOW);
    let described = [of_key(key(1), Event::Describe, state)];
    for moment in [nobody, officer] {
        assert_eq!(refused(&table, &put(true), moment), Reason::NotLoggedIn);
        assert_eq!(refused(&table, &described, moment), Reason::NotLoggedIn);
        assert_eq!(refused(&table, &[removal(its(1, 0))], moment), Reason::NotLoggedIn);
    }
}

#[test]
fn privacy_and_kind_are_never_lowered() {
    let table = furnished(None);
    let mut described =
        of_key(key(1), Event::Describe, after(&table, key(1), &Event::Describe, NOW));
    described.put.as_mut().unwrap().private = false;
    assert_eq!(refused(&table, &[described], proved(NOW)), Reason::Unlawful);
    let role = Role::Object { holds_key: true };
    let header = Header { private: true, role, expiry: None, tags: vec![] };
    for id in [key(1), its(1, 0)] {
        let disguised = Proposal { id, event: None, put: Some(header.clone()) };
        assert_ne!(judge(&table, &[disguised], proved(NOW)).map_err(|e| e.reason()), Ok(vec![]));
    }
}

#[test]
fn an_expiry_between_two_looks_is_a_conflict() {
    let table = furnished(erase_at(NOW + 10));
    let state = table.state(key(1)).unwrap().clone();
    let described = [of_key(key(1), Event::Describe, state)];
    judge(&table, &described, proved(NOW + 9)).unwrap();
    assert_eq!(refused(&table, &described, proved(NOW + 10)), Reason::Conflict);
}

#[test]
fn a_deletion_that_a_crash_interrupted_can_be_finished() {
    let mut table = furnished(None);
    let emptied = after(&table, key(1), &Event::DeleteMaterial, NOW);
    table.0.get_mut(&its(1, 0)).unwrap().erasure = Erasure::Ended(Tombstone::Deleted(NOW));
    let deletion = [of_key(key(1), Event::DeleteMaterial, emptied), removal(its(1, 0))];
    table.commit(&deletion, proved(NOW)).unwrap();
    assert_eq!(table.live(key(1), NOW), vec![]);
}

#[test]
fn an_import_sweeps_the_tombstone_away() {
    let mut table = furnished(erase_at(NOW + 10));
    table.sweep(NOW + 10);
    let event = Event::Import { fingerprint: print(1), expiry: None };
    let state = after(&table, key(1), &event, NOW + 10);
    let import = [of_key(key(1), event, state), of_material(its(1, 1), key(1), 1, print(1), None)];
    assert_eq!(judge(&table, &import, proved(NOW + 10)).unwrap(), vec![its(1, 0)]);
}

#[test]
fn material_and_key_agree_about_the_expiry() {
    let table = furnished(erase_at(NOW + 10));
    let event = Event::Import { fingerprint: print(1), expiry: erase_at(NOW + 99) };
    let state = after(&table, key(1), &event, NOW);
    let alone = [of_key(key(1), event.clone(), state.clone())];
    assert_eq!(refused(&table, &alone, proved(NOW)), Reason::Unlawful);
    let both = [
        of_key(key(1), event, state),
        of_material(its(1, 0), key(1), 1, print(1), erase_at(NOW + 99)),
    ];
    judge(&table, &both, proved(NOW)).unwrap();
}

/// Material as a client sends it: version, fingerprint, expiry.
type Sent = (u32, u8, Option<Expiry>);

/// An attempt of a random client.
#[derive(Debug, Clone)]
struct Attempt {
    key: u8,
    event: Event,
    /// The state sent: what the event leads to, or this one.
    forged: Option<KeyState>,
    material: Vec<(u8, Option<Sent>)>,
    proved: bool,
    /// Seconds that pass before it.
    pause: u64,
    sweep: bool,
}

impl Attempt {
    fn proposals(&self, table: &Table, now: Seconds) -> Vec<Proposal> {
        let before = table.state(key(self.key)).cloned();
        let honest = match (before, &self.event) {
            (Some(state), event) => state.expire(Erasure::Live, now).apply(event, now).ok(),
            (None, _) => None,
        };
        let state = self.forged.clone().or(honest).unwrap_or_else(KeyState::awaiting_import);
        if let (Event::Rotate { fingerprint }, None, []) =
            (&self.event, &self.forged, &self.material[..])
        {
            return rotation(table, key(self.key), *fingerprint, state);
        }
        let mut proposals = vec![of_key(key(self.key), self.event.clone(), state)];
        for (number, put) in &self.material {
            let id = its(self.key, *number);
            proposals.push(match put {
                Some((version, fingerprint, expiry)) => {
                    of_material(id, key(self.key), *version, print(*fingerprint), *expiry)
                }
                None => removal(id),
            });
        }
        proposals
    }
}

/// The new version in the place of the newest, and that one where there is nothing yet.
fn rotation(table: &Table, id: Id, fingerprint: Fingerprint, state: KeyState) -> Vec<Proposal> {
    let newest =
        table.material(id).unwrap().into_iter().max_by_key(|known| contents(&known.header));
    let version = state.version;
    let mut proposals = vec![of_key(id, Event::Rotate { fingerprint }, state)];
    if let Some(newest) = newest {
        let (older, its_print) = contents(&newest.header).unwrap();
        let mut free = [id.bytes()[0] + 100; 16];
        free[..4].copy_from_slice(&older.to_le_bytes());
        let free = Id::new(free);
        proposals.push(of_material(newest.id, id, version, fingerprint, None));
        proposals.push(of_material(free, id, older, its_print, None));
    }
    proposals
}

fn expiry() -> impl Strategy<Value = Option<Expiry>> {
    let action = prop_oneof![Just(ExpiryAction::Erase), Just(ExpiryAction::ReadOnly)];
    proptest::option::of(
        (1..60u64, action).prop_map(|(ahead, action)| Expiry { at: NOW + ahead, action }),
    )
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        Just(Event::Create),
        (1..4u8, expiry())
            .prop_map(|(number, expiry)| Event::Import { fingerprint: print(number), expiry }),
        Just(Event::DeleteMaterial),
        any::<bool>().prop_map(Event::Enable),
        Just(Event::ScheduleDeletion(Some(NOW + 9 * DAY))),
        Just(Event::ScheduleDeletion(None)),
        (1..4u8).prop_map(|number| Event::Rotate { fingerprint: print(number) }),
        Just(Event::Describe),
    ]
}

fn forged() -> impl Strategy<Value = KeyState> {
    let origin = prop_oneof![Just(Origin::Generated), Just(Origin::External)];
    let material = prop_oneof![
        Just(MaterialState::Never),
        Just(MaterialState::Present),
        Just(MaterialState::Deleted),
        Just(MaterialState::Expired)
    ];
    (origin, material, 0..3u32, expiry(), proptest::option::of(1..4u8)).prop_map(
        |(origin, material, version, expiry, fingerprint)| KeyState {
            origin,
            enabled: true,
            material,
            version,
            expiry,
            fingerprint: fingerprint.map(print),
            deletion_at: None,
        },
    )
}

/// Births that are lawful as far as they alone are concerned, so that there is something to attack.
fn birth() -> impl Strategy<Value = Attempt> {
    (1..4u8, 1..4u8, expiry(), 0..3u8).prop_map(|(key, number, expiry, kind)| {
        let import = Event::Import { fingerprint: print(number), expiry };
        let (state, material) = match kind {
            0 => (KeyState::awaiting_import(), vec![]),
            1 => (KeyState::generated(print(number)), vec![(0, Some((1, number, None)))]),
            _ => (
                KeyState::awaiting_import().apply(&import, NOW).unwrap(),
                vec![(0, Some((1, number, expiry)))],
            ),
        };
        let forged = Some(state);
        Attempt {
            key,
            event: Event::Create,
            forged,
            material,
            proved: true,
            pause: 0,
            sweep: false,
        }
    })
}

/// A step with the material that fits it.
fn step() -> impl Strategy<Value = Attempt> {
    (1..4u8, event(), 0..3u8, 0..3u8, 0..20u64, any::<bool>()).prop_map(
        |(key, event, new, old, pause, sweep)| {
            let material = match &event {
                Event::Import { fingerprint, expiry } => {
                    vec![(new, Some((1, fingerprint.0[0], *expiry)))]
                }
                Event::DeleteMaterial => vec![(old, None)],
                _ => vec![],
            };
            Attempt { key, event, forged: None, material, proved: true, pause, sweep }
        },
    )
}

fn anything() -> impl Strategy<Value = Attempt> {
    let put = proptest::option::of((0..3u32, 1..4u8, expiry()));
    let material = proptest::collection::vec((0..3u8, put), 0..3);
    let forged = proptest::option::of(forged());
    (1..4u8, event(), forged, material, proptest::bool::weighted(0.9), 0..20u64, any::<bool>())
        .prop_map(|(key, event, forged, material, proved, pause, sweep)| Attempt {
            key,
            event,
            forged,
            material,
            proved,
            pause,
            sweep,
        })
}

fn check_promises(before: &Table, table: &Table, now: Seconds) {
    for number in 1..4 {
        let (was, is) = (before.state(key(number)), table.state(key(number)));
        if let Some(was) = was {
            let is = is.expect("a custom key never goes");
            assert_eq!(was.origin, is.origin);
            if was.origin == Origin::External && was.fingerprint.is_some() {
                assert_eq!(was.fingerprint, is.fingerprint, "associated for good");
            }
        }
        let Some(is) = is else {
            assert_eq!(table.live(key(number), now), vec![], "material without a key");
            continue;
        };
        let live = table.live(key(number), now);
        let versions: Vec<u32> = live.iter().map(|(version, ..)| *version).collect();
        let holds = is.clone().expire(Erasure::Live, now).has_material();
        let expected: Vec<u32> = if holds { (1..=is.version).collect() } else { vec![] };
        assert_eq!(versions, expected, "exactly what the state says");
        assert!(is.origin == Origin::External || holds, "generated material never goes");
        assert!(live.iter().all(|(_, _, expiry)| *expiry == is.expiry));
        if is.origin == Origin::Generated {
            let prints = |table: &Table| {
                table.live(key(number), now).into_iter().map(|(_, print, _)| print).collect()
            };
            let (had, has): (Vec<_>, Vec<_>) = (prints(before), prints(table));
            assert!(has.starts_with(&had), "a version is what it was made as, for good");
        }
        assert!(!holds || live.last().map(|(_, print, _)| *print) == is.fingerprint);
    }
    let held: Vec<Fingerprint> = (1..4)
        .flat_map(|number| table.state(key(number)).and_then(|state| state.fingerprint))
        .collect();
    assert_eq!(held.iter().collect::<BTreeSet<_>>().len(), held.len(), "one material, two keys");
}

proptest! {
    #![proptest_config(cases(600))]

    #[test]
    fn no_sequence_of_commits_breaks_a_promise(
        attempts in proptest::collection::vec(prop_oneof![birth(), step(), anything()], 1..40)
    ) {
        let mut table = Table::default();
        let mut now = NOW;
        for attempt in attempts {
            now += attempt.pause;
            if attempt.sweep {
                table.sweep(now);
            }
            let before = table.clone();
            let proposals = attempt.proposals(&table, now);
            let access = if attempt.proved { Access::User } else { Access::Public };
            let moment = CommitContext { now, clock: now, access };
            let accepted = table.commit(&proposals, moment).is_ok();
            prop_assert!(attempt.proved || !accepted);
            check_promises(&before, &table, now);
        }
    }
}

/// The property above is worth something only if a good part of what it tries is lawful.
#[test]
fn the_random_client_gets_somewhere() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let (mut accepted, mut kinds) = (0, BTreeSet::new());
    for _ in 0..200 {
        let mut table = Table::default();
        for _ in 0..20 {
            let strategy = prop_oneof![birth(), step(), anything()];
            let attempt = strategy.new_tree(&mut runner).unwrap().current();
            if table.commit(&attempt.proposals(&table, NOW), proved(NOW)).is_ok() {
                accepted += 1;
                kinds.insert(format!("{:?}", attempt.event).split(' ').next().unwrap().to_owned());
            }
        }
    }
    assert!(accepted > 400, "only {accepted} of 4000 commits were lawful");
    assert!(kinds.len() >= 7, "only these: {kinds:?}");
}
