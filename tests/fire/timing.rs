//! Times that depend on nothing secret: two classes of input, in random order, and Welch's t of what they take.
//!
//! A difference between the classes has to show three times in a row before it counts: the machine is not ours alone.
//! Two controls must be found by the same means: a comparison that stops at the first difference, and in each operation
//! a delay of one class, which says how small a leak is found.

use crate::fire::{Fire, play_under_fire};
use crate::rig::World;
use crate::rig::paddings;
use crate::rig::token::{Token, USER_PIN};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::object::{
    Attribute, AttributeType, KeyType, MlKemParameterSetType, ObjectClass, ObjectHandle,
};
use keystead::internal::lc::lattice::PublicKey;
use keystead::internal::lc::ml_kem;
use std::hint::black_box;
use std::time::Instant;

/// The inputs of each class.
const POOL: usize = 64;

/// Beyond this, two classes differ: chance alone gives it once in 10⁶.
const DIFFERENT: f64 = 5.0;

/// The times that a difference has to show.
const TIMES: usize = 3;

/// The times for which a planted delay is looked for: a busy machine hides one now and then.
const PLANTED_TIMES: usize = 5;

/// The shares of each class's shortest times that count, of which the clearest difference is taken: the longest are
/// other processes', how many is not known.
const COUNTED: [f64; 3] = [0.9, 0.5, 0.2];

const SETS: [MlKemParameterSetType; 3] = [
    MlKemParameterSetType::ML_KEM_512,
    MlKemParameterSetType::ML_KEM_768,
    MlKemParameterSetType::ML_KEM_1024,
];

/// The inputs of two classes.
type Classes = [Vec<Vec<u8>>; 2];

#[test]
fn no_time_tells_a_secret() {
    play_under_fire(|world, mut fire| {
        let token = world.token();
        let mut leaks = Vec::new();
        let mut overlooked = Vec::new();
        let step = nanoseconds_of_a_step();
        let mut measure = |what: Operation<'_>, classes: Classes, call: &mut dyn FnMut(&[u8])| {
            let Operation { name, calls, planted } = what;
            let calls = calls * fire.either(1, 20);
            let found = difference(&mut fire, &classes, calls, call);
            let steps = (planted as f64 / step).ceil() as usize;
            let delayed = planted_difference(&mut fire, &classes, calls, steps, call);
            println!(
                "{name}: t = {:.1} of {calls} calls, {:.1} ns would have been found; {planted} ns are, t = {:.1}",
                found.t, found.least, delayed.t
            );
            leaks.extend((found.t > DIFFERENT).then(|| name.to_owned()));
            overlooked.extend((delayed.t <= DIFFERENT).then(|| name.to_owned()));
        };
        measure_compares(world, &mut measure);
        measure_tags(&token, &mut measure);
        measure_unpadding(&token, &mut measure);
        for set in SETS {
            measure_decapsulation(&token, set, &mut measure);
        }
        assert_eq!(
            leaks,
            ["the control"],
            "what takes another time for one class than for the other"
        );
        assert_eq!(overlooked, [""; 0], "where a delay of one class is not found");
    });
}

/// An operation that is measured.
struct Operation<'a> {
    name: &'a str,
    /// The calls of a short run.
    calls: usize,
    /// The delay of one class that has to be found, in nanoseconds.
    planted: usize,
}

/// Measures a call with the inputs of two classes.
type Measure<'a> = &'a mut dyn FnMut(Operation<'_>, Classes, &mut dyn FnMut(&[u8]));

fn operation(name: &str, calls: usize, planted: usize) -> Operation<'_> {
    Operation { name, calls, planted }
}

/// A PIN's authenticator that is wrong at its beginning, and one that is at its end; and the control.
fn measure_compares(world: &World, measure: Measure<'_>) {
    let pin = crate::rig::raw::Raw::connect(world).released(USER_PIN).user.unwrap();
    let right = pin.stretch(USER_PIN.as_bytes()).unwrap().authenticator.expose().to_vec();
    assert!(pin.matches(&right));
    measure(operation("PIN compare", 40_000, 20), wrong_at_either_end(&right), &mut |shown| {
        assert!(!pin.matches(black_box(shown)));
    });
    let known = vec![7; 16];
    measure(operation("the control", 40_000, 20), wrong_at_either_end(&known), &mut |shown| {
        assert!(shown.iter().zip(&known).any(|(one, other)| black_box(one) != black_box(other)));
    });
}

fn wrong_at_either_end(right: &[u8]) -> Classes {
    let wrong = |at: usize| {
        let spoilt = |number: usize| {
            let mut bytes = right.to_vec();
            bytes[at] ^= 1 + (number % 255) as u8;
            bytes
        };
        (0..POOL).map(spoilt).collect()
    };
    [wrong(0), wrong(right.len() - 1)]
}

/// Ciphertexts and MACs whose tags are wrong at the beginning or at the end.
fn measure_tags(token: &Token, measure: Measure<'_>) {
    let key = token.generate_aes(&[Attribute::Token(true)]);
    let gcm = |decrypt: &mut dyn FnMut(&Mechanism<'_>)| {
        let mut iv = [7; 12];
        decrypt(&Mechanism::AesGcm(GcmParams::new(&mut iv, &[], 128.into()).unwrap()));
    };
    let mut sealed = Vec::new();
    gcm(&mut |by| sealed = token.encrypt(by, key, &[]).unwrap());
    measure(operation("GCM tag", 20_000, 50), wrong_at_either_end(&sealed), &mut |shown| {
        gcm(&mut |by| drop(token.decrypt(by, key, shown).unwrap_err()));
    });
    let template = [
        Attribute::Class(ObjectClass::SECRET_KEY),
        Attribute::KeyType(KeyType::GENERIC_SECRET),
        Attribute::Sign(true),
        Attribute::Verify(true),
        Attribute::Value(vec![3; 32]),
    ];
    let key = token.create_object(&template).unwrap();
    let mac = token.sign(&Mechanism::Sha256Hmac, key, b"message").unwrap();
    measure(operation("HMAC compare", 20_000, 50), wrong_at_either_end(&mac), &mut |shown| {
        token.verify(&Mechanism::Sha256Hmac, key, b"message", shown).unwrap_err();
    });
}

/// PKCS#1 v1.5: good paddings of messages of two lengths, and good paddings beside wrong ones.
fn measure_unpadding(token: &Token, measure: Measure<'_>) {
    let (public, private) = token
        .generate_key_pair(
            &Mechanism::RsaPkcsKeyPairGen,
            &[Attribute::ModulusBits(2048.into()), Attribute::Encrypt(true)],
            &[Attribute::Decrypt(true)],
        )
        .unwrap();
    let encrypted = |block: &[u8]| token.encrypt(&Mechanism::RsaX509, public, block).unwrap();
    let filler = |number: usize| 1 + (number % 200) as u8;
    let padded = |length: usize| {
        let block = |number| paddings::right(&vec![filler(number); length], filler(number));
        (0..POOL).map(|number| encrypted(&block(number))).collect::<Vec<_>>()
    };
    let wrong = |number: usize| {
        let all = paddings::wrong(filler(number));
        encrypted(&all[number % all.len()].1)
    };
    let mut decrypt = |shown: &[u8]| drop(token.decrypt(&Mechanism::RsaPkcs, private, shown));
    let lengths = [padded(16), padded(200)];
    measure(operation("PKCS#1 unpadding", 4_000, 5_000), lengths, &mut decrypt);
    let rejected = [padded(4), (0..POOL).map(wrong).collect()];
    measure(operation("PKCS#1 implicit rejection", 4_000, 5_000), rejected, &mut decrypt);
}

/// Ciphertexts that were made for a key, and such that were not: these are rejected implicitly (FIPS 203).
fn measure_decapsulation(token: &Token, set: MlKemParameterSetType, measure: Measure<'_>) {
    let name = format!("decapsulation, {set:?}");
    let set = [Attribute::ParameterSet(set.into())];
    let made = token.generate_key_pair(&Mechanism::MlKemKeyPairGen, &set, &[]);
    let (public, private) = made.unwrap();
    let info = token.bytes(public, AttributeType::PublicKeyInfo);
    let public = PublicKey::from_spki(&info).unwrap();
    let good = || ml_kem::encapsulate(&public).unwrap().0;
    let bad = || {
        let mut ciphertext = good();
        *ciphertext.last_mut().unwrap() ^= 1;
        ciphertext
    };
    let classes =
        [(0..POOL).map(|_| good()).collect(), (0..POOL).map(|_| bad()).collect::<Vec<_>>()];
    measure(operation(&name, 10_000, 500), classes, &mut |shown| {
        token.destroy_object(decapsulated(token, private, shown)).unwrap();
    });
}

fn decapsulated(token: &Token, private: ObjectHandle, ciphertext: &[u8]) -> ObjectHandle {
    let template =
        [Attribute::Class(ObjectClass::SECRET_KEY), Attribute::KeyType(KeyType::GENERIC_SECRET)];
    token.decapsulate_key(&Mechanism::MlKem, private, &template, ciphertext).unwrap()
}

/// A difference between two classes.
struct Difference {
    /// Welch's t.
    t: f64,
    /// The smallest difference that would have shown, in nanoseconds.
    least: f64,
}

/// Returns the least of the differences that show.
fn difference(
    fire: &mut Fire,
    classes: &Classes,
    calls: usize,
    call: &mut dyn FnMut(&[u8]),
) -> Difference {
    let mut least = Difference { t: f64::INFINITY, least: 0.0 };
    for _ in 0..TIMES {
        let shown = clearest(&times(fire, classes, calls, 0, call));
        if shown.t < least.t {
            least = shown;
        }
        if least.t <= DIFFERENT {
            break;
        }
    }
    least
}

/// Returns the first difference that shows where one class takes so many steps more, else the last one.
fn planted_difference(
    fire: &mut Fire,
    classes: &Classes,
    calls: usize,
    steps: usize,
    call: &mut dyn FnMut(&[u8]),
) -> Difference {
    let mut again = || clearest(&times(fire, classes, calls, steps, call));
    let mut shown = again();
    for _ in 1..PLANTED_TIMES {
        if shown.t > DIFFERENT {
            break;
        }
        shown = again();
    }
    shown
}

/// Takes some steps of the processor.
fn delay(steps: usize) {
    for step in 0..steps {
        black_box(step);
    }
}

fn nanoseconds_of_a_step() -> f64 {
    const STEPS: usize = 1_000_000;
    let time = |_| {
        let began = Instant::now();
        delay(STEPS);
        began.elapsed().as_nanos() as f64 / STEPS as f64
    };
    (0..5).map(time).fold(f64::INFINITY, f64::min)
}

/// Returns the class and the nanoseconds of calls, in random order.
fn times(
    fire: &mut Fire,
    classes: &Classes,
    calls: usize,
    steps: usize,
    call: &mut dyn FnMut(&[u8]),
) -> Vec<(usize, f64)> {
    let mut all: Vec<(usize, f64)> = Vec::with_capacity(calls);
    let mut input = Vec::new();
    for _ in 0..calls {
        let class = fire.rng.usize(..2);
        // Both classes are read from one place.
        input.clone_from(&classes[class][fire.rng.usize(..POOL)]);
        let steps = [0, steps][class];
        let began = Instant::now();
        call(black_box(&input));
        delay(steps);
        all.push((class, began.elapsed().as_nanos() as f64));
    }
    all
}

/// Returns the clearest difference of calls, and the smallest that would have shown.
fn clearest(all: &[(usize, f64)]) -> Difference {
    let sorted = [0, 1].map(|class| {
        let mut times: Vec<f64> =
            all.iter().filter(|(of, _)| *of == class).map(|(_, time)| *time).collect();
        times.sort_by(f64::total_cmp);
        times
    });
    let shown = COUNTED.map(|share| welch(&sorted, share));
    let most = |one: f64, other: &Difference| one.max(other.t);
    let least = |one: f64, other: &Difference| one.min(other.least);
    Difference { t: shown.iter().fold(0.0, most), least: shown.iter().fold(f64::INFINITY, least) }
}

/// Returns the difference of two samples, sorted, of each of which the shortest share counts. The variance of such a mean
/// is that of what counts, and that of where the share ends.
fn welch(samples: &[Vec<f64>; 2], share: f64) -> Difference {
    let [one, other] = samples.each_ref().map(|sample| {
        let counted = &sample[..(sample.len() as f64 * share) as usize];
        let count = counted.len() as f64;
        let mean = counted.iter().sum::<f64>() / count;
        let squares = counted.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
        let end = (counted.last().unwrap() - mean).powi(2) * (1.0 - share);
        (mean, (squares / (count - 1.0) + end) / count)
    });
    let error = (one.1 + other.1).sqrt();
    Difference { t: ((one.0 - other.0) / error).abs(), least: DIFFERENT * error }
}
