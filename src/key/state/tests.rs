//! The rules of a custom key's life, held against random lives of random keys.

use super::*;
use crate::tests::cases;
use proptest::prelude::*;

const START: Seconds = 1_000_000;

/// A step in a key's life: a client's request, or time.
#[derive(Debug, Clone)]
enum Step {
    Client(Event),
    Time(Seconds),
    Erase(Erasure),
}

fn fingerprint() -> impl Strategy<Value = Fingerprint> {
    (0_u8..3).prop_map(|which| Fingerprint([which; 32]))
}

fn expiry() -> impl Strategy<Value = Option<Expiry>> {
    let action = prop_oneof![Just(ExpiryAction::Erase), Just(ExpiryAction::ReadOnly)];
    prop::option::of(
        (START - 10..START + 500, action).prop_map(|(at, action)| Expiry { at, action }),
    )
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        Just(Event::Create),
        (fingerprint(), expiry())
            .prop_map(|(fingerprint, expiry)| Event::Import { fingerprint, expiry }),
        Just(Event::DeleteMaterial),
        any::<bool>().prop_map(Event::Enable),
        prop::option::of(START..START + 1200 * DAY).prop_map(Event::ScheduleDeletion),
        fingerprint().prop_map(|fingerprint| Event::Rotate { fingerprint }),
        Just(Event::Describe),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => event().prop_map(Step::Client),
        2 => (0_u64..200).prop_map(Step::Time),
        1 => Just(Step::Erase(Erasure::Ended(Tombstone::Expired(START)))),
    ]
}

fn born() -> impl Strategy<Value = KeyState> {
    prop_oneof![Just(KeyState::awaiting_import()), fingerprint().prop_map(KeyState::generated),]
}

proptest! {
    #![proptest_config(cases(256))]
    #[test]
    fn no_life_breaks_a_rule(birth in born(), steps in prop::collection::vec(step(), 0..60)) {
        prop_assert!(birth.may_begin(START).is_ok());
        let (mut state, mut now) = (birth.clone(), START);
        for step in steps {
            let before = state.clone();
            state = match step {
                Step::Time(seconds) => {
                    now += seconds;
                    state.expire(Erasure::Live, now)
                }
                // Only material that can expire is ever erased for having expired.
                Step::Erase(_) if state.expiry.is_none() => state,
                Step::Erase(erasure) => state.expire(erasure, now),
                Step::Client(event) => match state.apply(&event, now) {
                    Ok(after) => {
                        check_step(&before, &event, &after, now)?;
                        after
                    }
                    Err(_) => before.clone(),
                },
            };
            check_always(&birth, &before, &state)?;
        }
    }

    #[test]
    fn time_and_erasure_only_take_away(birth in born(), expiry in expiry(), now in START..START + 600) {
        let state = KeyState { expiry, ..birth };
        let later = state.clone().expire(Erasure::Live, now);
        prop_assert!(!later.has_material() || state.has_material());
        prop_assert_eq!(later.clone().expire(Erasure::Live, now), later.clone());
        prop_assert!(!state.expire(Erasure::Ended(Tombstone::Deleted(now)), now).has_material());
    }
}

#[test]
fn a_state_that_no_birth_leads_to_is_refused() {
    let generated = KeyState::generated(Fingerprint([1; 32]));
    let empty = KeyState::awaiting_import();
    let odd = [
        KeyState { version: 2, ..generated.clone() },
        KeyState { enabled: false, ..generated.clone() },
        KeyState { fingerprint: None, ..generated.clone() },
        KeyState { material: MaterialState::Deleted, ..generated.clone() },
        KeyState { deletion_at: Some(START + 8 * DAY), ..generated.clone() },
        KeyState {
            expiry: Some(Expiry { at: START + 9, action: ExpiryAction::Erase }),
            ..generated
        },
        KeyState { version: 1, ..empty.clone() },
        KeyState { material: MaterialState::Present, ..empty.clone() },
        KeyState { enabled: false, ..empty },
    ];
    for state in odd {
        assert!(state.may_begin(START).is_err(), "{state:?}");
    }
}

/// Checks what no step may do to a key.
fn check_always(
    birth: &KeyState,
    before: &KeyState,
    after: &KeyState,
) -> Result<(), TestCaseError> {
    prop_assert_eq!(after.origin, birth.origin, "the origin is for good");
    match birth.origin {
        Origin::Generated => {
            prop_assert_eq!(after.material, MaterialState::Present, "generated material stays");
            prop_assert_eq!(after.expiry, None, "generated material never expires");
        }
        Origin::External => {
            prop_assert!(after.version <= 1, "an external key is never rotated");
            if before.fingerprint.is_some() {
                prop_assert_eq!(after.fingerprint, before.fingerprint, "association is for good");
            }
        }
    }
    prop_assert!(after.version >= before.version || birth.origin == Origin::External);
    Ok(())
}

/// Checks what a client's request may do.
fn check_step(
    before: &KeyState,
    event: &Event,
    after: &KeyState,
    now: Seconds,
) -> Result<(), TestCaseError> {
    let gained = after.has_material() && !before.has_material();
    prop_assert!(
        !gained || matches!(event, Event::Import { .. }),
        "only an import brings material"
    );
    if let Event::Import { expiry, .. } = event {
        prop_assert!(expiry.is_none_or(|expiry| expiry.at > now), "an expiry lies ahead");
        prop_assert_eq!(after.enabled, before.enabled, "a disabled key stays disabled");
    }
    if before.deletion_at.is_some() {
        prop_assert_eq!(event, &Event::ScheduleDeletion(None), "nothing is editable meanwhile");
        prop_assert!(!after.enabled, "a rescued key is disabled");
    }
    Ok(())
}

#[test]
fn there_is_an_end_to_the_versions_of_a_key() {
    let rotate = || Event::Rotate { fingerprint: Fingerprint([2; 32]) };
    let born = KeyState::generated(Fingerprint([1; 32]));
    let last = KeyState { version: MOST_VERSIONS - 1, ..born }.apply(&rotate(), START).unwrap();
    assert_eq!(last.version, MOST_VERSIONS);
    let refused = last.apply(&rotate(), START).unwrap_err();
    assert_eq!(refused.reason(), Reason::ActionProhibited);
}
