//! Durability: all that was acknowledged stays, whichever process dies; and there is one agent.

use crate::rig::process::{PATIENCE, ends_within};
use crate::rig::token::{Token, aes_material};
use crate::rig::world::World;
use crate::rig::{play, world};
use crate::rig::{process, without_custody};
use cryptoki::object::Attribute;
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

#[test]
fn a_token_key_generated_in_one_process_encrypts_in_another() {
    play(|world| match world.role() {
        "maker" => {
            let token = world.token();
            let key = token.generate_aes(&kept("key"));
            world.tell(&hex(&token.encrypt_block(key).unwrap()));
        }
        _ => {
            let mut maker = world.start("maker");
            let made = maker.hear();
            maker.ends_well();
            let token = world.same_token();
            let key = only(&token, "key");
            assert_eq!(hex(&token.encrypt_block(key).unwrap()), made);
        }
    });
}

#[test]
fn killing_the_agent_between_commits_loses_nothing() {
    play(|world| {
        let token = world.token();
        for round in 0..8 {
            let label = format!("round {round}");
            let made = token.generate_aes(&kept(&label));
            let block = token.encrypt_block(made).unwrap();
            world.kill_agent();
            assert_eq!(token.encrypt_block(only(&token, &label)).unwrap(), block);
        }
        for round in 0..8 {
            only(&token, &format!("round {round}"));
        }
    });
}

#[test]
fn killing_the_agent_during_commits_loses_nothing_acknowledged_and_doubles_nothing() {
    play(|world| match world.role() {
        "writer" => write_until_told_to_end(world),
        _ => {
            let token = world.token();
            let mut writer = world.start("writer");
            let mut acknowledged = Vec::new();
            for round in 0..12 {
                for _ in 0..=(round * 5 % 7) {
                    acknowledged.push(writer.hear());
                }
                // The writer is in the middle of its next commit, or just starting an agent for it.
                world.agent().into_iter().for_each(process::kill_9);
            }
            writer.kill();
            for label in &acknowledged {
                let key = only(&token, label);
                token.encrypt_block(key).unwrap();
            }
            assert!(acknowledged.len() > 40);
        }
    });
}

#[test]
fn killing_the_writer_during_commits_loses_nothing_acknowledged() {
    play(|world| match world.role() {
        "" => {
            let token = world.token();
            for round in 0..5 {
                let mut writer = world.start(&format!("writer {round}"));
                let acknowledged: Vec<String> = (0..6).map(|_| writer.hear()).collect();
                writer.kill();
                for label in acknowledged {
                    only(&token, &label);
                }
            }
        }
        _ => write_until_told_to_end(world),
    });
}

/// Makes keys and reports each once it is acknowledged, until the listener ends.
fn write_until_told_to_end(world: &World) {
    let token = world.same_token();
    for number in 0.. {
        let label = format!("{} {number}", world.role());
        token.generate_aes(&kept(&label));
        world.tell(&label);
    }
}

#[test]
fn eight_processes_that_start_at_once_share_one_agent_and_all_their_keys_stay() {
    play(|world| match world.role() {
        "" => {
            let token = world.token();
            world.kill_agent();
            let mut makers: Vec<_> =
                (0..8).map(|number| world.start(&format!("maker {number}"))).collect();
            for maker in &mut makers {
                maker.tell("go");
            }
            let agents: Vec<String> = makers.iter_mut().map(process::Other::hear).collect();
            assert!(agents.iter().all(|agent| *agent == agents[0]), "agents: {agents:?}");
            makers.into_iter().for_each(process::Other::ends_well);
            for maker in 0..8 {
                for number in 0..10 {
                    only(&token, &format!("maker {maker} {number}"));
                }
            }
        }
        role => {
            assert_eq!(world.hear(), "go");
            let token = world.same_token();
            for number in 0..10 {
                token.generate_aes(&kept(&format!("{role} {number}")));
            }
            world.tell(&format!("{:?}", world.agent()));
        }
    });
}

#[test]
fn a_second_agent_leaves_and_the_first_goes_on() {
    play(|world| {
        let token = world.token();
        let first = world.agent().unwrap();
        for _ in 0..3 {
            let mut second = agent_command(world).spawn().unwrap();
            assert!(ends_within(Pid::from_child(&second), PATIENCE), "the second agent stays");
            second.wait().unwrap();
        }
        assert_eq!(world.agent(), Some(first));
        token.generate_aes(&kept("key"));
    });
}

#[test]
fn two_agents_started_at_once_leave_one() {
    play(|world| {
        world.make_store();
        let mut agents: Vec<Child> =
            (0..4).map(|_| agent_command(world).stdout(Stdio::piped()).spawn().unwrap()).collect();
        // Each says that it is ready, or ends because another is.
        for agent in &mut agents {
            let mut line = String::new();
            BufReader::new(agent.stdout.take().unwrap()).read_line(&mut line).unwrap();
        }
        world::eventually("one agent answers and the others have left", || {
            let ended = agents.iter_mut().map(|agent| agent.try_wait().unwrap().is_some());
            let running = ended.filter(|ended| !ended).count();
            running == 1 && world.agent().is_some()
        });
        world.token().generate_aes(&kept("key"));
        world.kill_agent();
        for mut agent in agents {
            agent.wait().unwrap();
        }
    });
}

#[test]
fn an_agent_whose_store_goes_away_ends() {
    play(|world| {
        drop(world.token());
        let agent = world.agent().unwrap();
        std::fs::remove_dir_all(world.store()).unwrap();
        assert!(ends_within(agent, PATIENCE));
    });
}

#[test]
fn an_idle_agent_ends_and_the_next_call_starts_another_unless_it_is_told_to_stay() {
    play(|world| match world.role() {
        "guest" => drop(world.token()),
        _ => {
            let mut told = staying_agent(world);
            world.start("guest").ends_well();
            let agent = world.agent().unwrap();
            assert!(ends_within(agent, PATIENCE), "an idle agent stays");
            assert!(told.try_wait().unwrap().is_none(), "one that was told to stay ends");
            kill_process(Pid::from_child(&told), Signal::TERM).unwrap();
            assert!(told.wait().unwrap().success());
            world.same_token().generate_aes(&kept("key"));
            assert_ne!(world.agent(), Some(agent));
        }
    });
}

#[test]
fn an_idle_agent_stays_while_an_expiry_lies_ahead() {
    play(|world| match world.role() {
        "guest" => {
            let token = world.token();
            let soon = world::now() + 40;
            token.generate_aes(
                &[&kept("soon")[..], &[without_custody(), crate::rig::expires_at(soon)]].concat(),
            );
            world.tell(&soon.to_string());
        }
        _ => {
            let mut guest = world.start("guest");
            let soon: u64 = guest.hear().parse().unwrap();
            guest.ends_well();
            let agent = world.agent().unwrap();
            // At the expiry itself it may end; clocks are read in whole seconds.
            let stays = std::time::Duration::from_secs(soon - world::now() - 2);
            assert!(!ends_within(agent, stays), "the agent left before the expiry");
        }
    });
}

/// Starts an agent that stays without connections, on a store beside the world's, and waits until it serves.
fn staying_agent(world: &World) -> Child {
    let store = world.path("beside");
    let store = store.to_str().unwrap();
    let made = world.keystead(&["agent", "--make", "--store", store]);
    assert!(made.status.success(), "{made:?}");
    let mut command = world.keystead_command(&["agent", "--stay", "--store", store]);
    let mut agent = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    BufReader::new(agent.stdout.take().unwrap()).read_line(&mut said).unwrap();
    assert_eq!(said, "ready\n");
    agent
}

fn agent_command(world: &World) -> std::process::Command {
    let store = world.store();
    world.keystead_command(&["agent", "--store", store.to_str().unwrap()])
}

/// A token key under a label.
fn kept(label: &str) -> [Attribute; 2] {
    [Attribute::Token(true), Attribute::Label(label.as_bytes().to_vec())]
}

/// The only key under a label.
#[track_caller]
fn only(token: &Token, label: &str) -> cryptoki::object::ObjectHandle {
    let template = [&aes_material()[..], &[Attribute::Label(label.as_bytes().to_vec())]].concat();
    let found = token.find_objects(&template).unwrap();
    assert_eq!(found.len(), 1, "keys under {label:?}");
    found[0]
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
