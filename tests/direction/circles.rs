//! Circles in a graph: files each of which uses the next, and the last the first.

use std::collections::{BTreeMap, BTreeSet};

/// The nodes that each node uses.
pub type Arrows<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

/// Returns the groups of nodes in which each leads to every other, in order.
pub fn circles<'a>(arrows: &Arrows<'a>) -> Vec<BTreeSet<&'a str>> {
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        arrows.keys().map(|from| (*from, reachable(arrows, from))).collect();
    let mutual = |one: &str, other: &str| {
        reached[one].contains(other) && reached.get(other).is_some_and(|back| back.contains(one))
    };
    let mut groups: Vec<BTreeSet<&str>> = Vec::new();
    for from in arrows.keys() {
        let group: BTreeSet<&str> =
            reached[from].iter().copied().filter(|to| mutual(from, to)).collect();
        if !group.is_empty() && !groups.contains(&group) {
            groups.push(group);
        }
    }
    groups
}

fn reachable<'a>(arrows: &Arrows<'a>, from: &str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<&str> = arrows[from].iter().copied().collect();
    while let Some(next) = open.pop() {
        if reached.insert(next) {
            open.extend(arrows.get(next).into_iter().flatten());
        }
    }
    reached
}

#[test]
fn a_circle_is_found_however_long_it_is_and_a_tree_is_none() {
    let graph = |arrows: &[(&'static str, &[&'static str])]| -> Arrows<'static> {
        arrows.iter().map(|(from, to)| (*from, to.iter().copied().collect())).collect()
    };
    assert_eq!(circles(&graph(&[("a", &["b", "c"]), ("b", &["c"]), ("c", &[])])), []);
    let round = graph(&[("a", &["b"]), ("b", &["c"]), ("c", &["a"]), ("d", &["a"])]);
    assert_eq!(circles(&round), [BTreeSet::from(["a", "b", "c"])]);
}
