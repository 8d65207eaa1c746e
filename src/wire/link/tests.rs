//! The link against an agent that does what each test says.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use super::{
    AgentLocation, BRIEF_TIMEOUT, Deadline, Id, Lease, Link, MAX_CONNECTIONS, Request, Response,
};
use crate::error::{Error, Reason};
use crate::file_names;
use crate::secret::Secret;
use crate::wire::handing::Handing;
use crate::wire::message::MAX_FRAME;
use crate::wire::page::PageWriter;
use crate::wire::proof::Credential;
use crate::wire::{frame, socket};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::time::{Duration, Instant};

const STORE: Id = Id::new([9; 16]);
const TOKEN: Id = Id::new([1; 16]);
const OTHER: Id = Id::new([2; 16]);

/// An agent that answers as a test says. `None` closes the connection without an answer.
trait Behaviour: Fn(usize, &Request) -> Option<Response> + Send + Sync + 'static {}
impl<F: Fn(usize, &Request) -> Option<Response> + Send + Sync + 'static> Behaviour for F {}

struct Fake {
    directory: tempfile::TempDir,
    /// The page that it hands over.
    page: Arc<Mutex<PageWriter>>,
    /// The requests, each with the number of its connection.
    asked: Arc<Mutex<Vec<(usize, String)>>>,
}

impl Fake {
    fn new(behaviour: impl Behaviour) -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join(file_names::CELLS), "").unwrap();
        let listener = UnixListener::bind(directory.path().join(socket::NAME)).unwrap();
        let (asked, behaviour) = (Arc::default(), Arc::new(behaviour));
        let page = PageWriter::open(directory.path()).unwrap();
        page.started().unwrap();
        let page = Arc::new(Mutex::new(page));
        let fake = Self { directory, page: Arc::clone(&page), asked: Arc::clone(&asked) };
        std::thread::spawn(move || {
            for (number, connection) in listener.incoming().enumerate() {
                let (asked, behaviour) = (Arc::clone(&asked), Arc::clone(&behaviour));
                let page = Arc::clone(&page);
                std::thread::spawn(move || {
                    let mut connection = connection.unwrap();
                    while let Ok(Some(request)) =
                        frame::receive::<Request>(&mut connection, MAX_FRAME)
                    {
                        asked.lock().unwrap().push((number, name(&request)));
                        let Some(answer) = behaviour(number, &request) else { return };
                        // The test may have hung up.
                        let _sent = say(&connection, answer, &page.lock().unwrap());
                    }
                });
            }
        });
        fake
    }

    fn link(&self) -> Link {
        self.link_with(Duration::from_secs(20))
    }

    fn link_with(&self, patience: Duration) -> Link {
        // A program that cannot be started: every connection is the fake's.
        let location = AgentLocation {
            directory: self.directory.path().into(),
            program: Some("/nonexistent/keystead".into()),
            configuration: None,
            records: None,
        };
        Link::with_patience(location, patience)
    }

    fn asked(&self) -> Vec<(usize, String)> {
        self.asked.lock().unwrap().clone()
    }
}

/// Hands the page over with a welcome that names none.
fn say(to: &UnixStream, mut answer: Response, of: &PageWriter) -> std::io::Result<()> {
    let mut handed = None;
    if let Response::Welcome { page: page @ 0, .. } = &mut answer {
        (*page, handed) = (of.identity(), Some(of.handed()));
    }
    frame::send(&mut Handing::new(to, handed), &answer)
}

fn name(request: &Request) -> String {
    let debug = format!("{request:?}");
    debug.split(' ').next().unwrap_or_default().to_owned()
}

fn answer(request: &Request) -> Response {
    match request {
        Request::Hello { .. } => welcome(STORE, 5),
        Request::Sweep => Response::Swept { erased: 1, ended: 2 },
        _ => Response::Done(0),
    }
}

fn welcome(store: Id, incarnation: u64) -> Response {
    Response::Welcome { protocol: 1, store, incarnation, nonce: [7; 32], page: 0 }
}

fn credential() -> Credential {
    let secret = || Secret::new(vec![7; 32]);
    Credential { officer: false, key: secret(), ticket: secret() }
}

fn listed(of: &[(usize, &str)]) -> Vec<(usize, String)> {
    of.iter().map(|(number, name)| (*number, (*name).to_owned())).collect()
}

fn sweep(link: &Link) -> Result<(), Error> {
    let answer = link.ask(&Request::Sweep)?;
    assert!(matches!(answer, Response::Swept { erased: 1, ended: 2 }), "{answer:?}");
    Ok(())
}

#[test]
fn one_connection_serves_one_question_after_another() {
    let fake = Fake::new(|_, request| Some(answer(request)));
    let link = fake.link();
    sweep(&link).unwrap();
    sweep(&link).unwrap();
    assert_eq!(link.store().unwrap(), (STORE, 5));
    assert_eq!(fake.asked(), listed(&[(0, "Hello"), (0, "Sweep"), (0, "Sweep")]));
}

#[test]
fn a_lost_answer_is_asked_for_again_on_a_new_connection() {
    let fake = Fake::new(|number, request| match request {
        Request::Sweep if number < 2 => None,
        _ => Some(answer(request)),
    });
    let link = fake.link();
    sweep(&link).unwrap();
    assert_eq!(fake.asked().last().unwrap(), &(2, "Sweep".into()));
}

#[test]
fn a_connection_that_the_agent_has_closed_meanwhile_counts_as_no_try() {
    let fake = Fake::new(|number, request| match request {
        Request::Clock => None,
        _ if number < 3 || !matches!(request, Request::Sweep) => Some(answer(request)),
        _ => None,
    });
    let link = fake.link();
    for closed in 0..3 {
        sweep(&link).unwrap();
        // The agent hangs up on a process that asks for the clock.
        let mut connection = link.state().idle.pop().unwrap();
        frame::send(&mut connection.socket, &Request::Clock).unwrap();
        while connection.socket.is_quiet() {}
        link.state().idle.push(connection);
        assert_eq!(fake.asked().last().unwrap(), &(closed, "Clock".into()));
    }
    assert_eq!(sweep(&link).unwrap_err().reason(), Reason::AgentLost);
    let tries = fake.asked().iter().filter(|(number, name)| *number > 2 && name == "Sweep").count();
    assert_eq!(tries, super::LINK_TRIES);
}

#[test]
fn connections_that_nobody_has_used_for_a_while_are_given_back() {
    let fake = Fake::new(|_, request| Some(answer(request)));
    let link = fake.link();
    std::thread::scope(|scope| {
        for _ in 0..MAX_CONNECTIONS {
            scope.spawn(|| sweep(&link).unwrap());
        }
    });
    let long_ago = std::time::Instant::now().checked_sub(super::state::SPARE).unwrap();
    link.state().idle.iter_mut().for_each(|connection| connection.used = long_ago);
    sweep(&link).unwrap();
    assert_eq!(link.state().idle.len(), 1);
}

#[test]
fn an_agent_that_never_answers_is_given_up() {
    let fake = Fake::new(|_, request| match request {
        Request::Sweep => None,
        _ => Some(answer(request)),
    });
    assert_eq!(sweep(&fake.link()).unwrap_err().reason(), Reason::AgentLost);
    assert_eq!(fake.asked().len(), 2 * super::LINK_TRIES);
}

/// The agent answers the first connections only once, as one that is killed; each time another thread
/// gives back a connection that leads to it too.
#[test]
fn kept_connections_to_an_agent_that_was_killed_count_as_no_try() {
    let busy: Arc<Mutex<Vec<Lease<'static>>>> = Arc::default();
    let giving_back = Arc::clone(&busy);
    let fake = Fake::new(move |number, request| {
        if matches!(request, Request::Sweep) && number < MAX_CONNECTIONS {
            drop(giving_back.lock().unwrap().pop());
            return None;
        }
        Some(answer(request))
    });
    let link: &Link = Box::leak(Box::new(fake.link()));
    for _ in 0..MAX_CONNECTIONS {
        let mut lease = link.lease(&mut Deadline::new(link.patience)).unwrap();
        lease.connection(&mut Deadline::new(link.patience)).unwrap();
        busy.lock().unwrap().push(lease);
    }
    drop(busy.lock().unwrap().pop());
    sweep(link).unwrap();
    assert_eq!(fake.asked().last().unwrap(), &(MAX_CONNECTIONS, "Sweep".into()));
}

#[test]
fn an_agent_that_hangs_is_not_asked_twice() {
    let (end, ended) = std::sync::mpsc::channel::<()>();
    let ended = Mutex::new(ended);
    let fake = Fake::new(move |_, request| {
        if matches!(request, Request::Sweep) {
            let _hung_up = ended.lock().unwrap().recv();
        }
        Some(answer(request))
    });
    let link = fake.link_with(Duration::from_millis(300));
    assert_eq!(sweep(&link).unwrap_err().reason(), Reason::AgentLost);
    assert_eq!(fake.asked(), listed(&[(0, "Hello"), (0, "Sweep")]));
    drop(end);
}

#[test]
fn a_descriptor_that_the_program_took_is_replaced() {
    let fake = Fake::new(|_, request| Some(answer(request)));
    let link = fake.link();
    sweep(&link).unwrap();
    let theirs = tempfile::tempfile().unwrap();
    link.state().idle[0].socket.give_number_to(&theirs);
    sweep(&link).unwrap();
    assert_eq!(theirs.metadata().unwrap().len(), 0, "nothing was written to it");
    assert_eq!(fake.asked().last().unwrap(), &(1, "Sweep".into()));
}

#[test]
fn what_a_process_has_proved_is_shown_on_new_connections_only() {
    let fake = Fake::new(|_, request| Some(answer(request)));
    let link = fake.link();
    sweep(&link).unwrap();
    link.remember(TOKEN, credential(), None);
    sweep(&link).unwrap();
    sweep(&link).unwrap();
    link.forget(TOKEN);
    sweep(&link).unwrap();
    let expected = [
        (0, "Hello"),
        (0, "Sweep"),
        (1, "Hello"),
        (1, "Prove"),
        (1, "Sweep"),
        (1, "Sweep"),
        (1, "Forget"),
        (2, "Hello"),
        (2, "Sweep"),
    ];
    // No caller waits for the agent to take notice of a logout.
    let deadline = Instant::now() + Duration::from_secs(10);
    while fake.asked().len() < expected.len() && Instant::now() < deadline {
        std::thread::yield_now();
    }
    let mut asked = fake.asked();
    asked.sort_by_key(|(connection, _)| *connection);
    assert_eq!(asked, listed(&expected));
}

#[test]
fn the_connection_of_a_login_goes_on_where_it_knows_all_that_was_proved() {
    let fake = Fake::new(|_, request| Some(answer(request)));
    let link = fake.link();
    let shown = |token| {
        let authenticator = Secret::new(vec![7; 32]).into();
        link.log_in(&Request::Login { token, officer: false, authenticator }).unwrap().1
    };
    let on = shown(TOKEN);
    link.remember(TOKEN, credential(), on);
    sweep(&link).unwrap();
    assert_eq!(fake.asked(), listed(&[(0, "Hello"), (0, "Login"), (0, "Sweep")]));
    // Another login is proved meanwhile, which this connection does not know.
    let on = shown(TOKEN);
    link.remember(OTHER, credential(), None);
    link.remember(TOKEN, credential(), on);
    sweep(&link).unwrap();
    let expected = [(0, "Login"), (1, "Hello"), (1, "Prove"), (1, "Prove"), (1, "Sweep")];
    assert_eq!(fake.asked()[3..], listed(&expected));
    // A PIN that was shown for something else than a login.
    drop(shown(TOKEN));
    sweep(&link).unwrap();
    assert_eq!(fake.asked()[8..10], listed(&[(1, "Login"), (2, "Hello")]));
}

#[test]
fn a_connection_that_was_busy_during_a_logout_is_not_used_again() {
    let at_work = Arc::new(Barrier::new(2));
    let fake = Fake::new({
        let at_work = Arc::clone(&at_work);
        move |number, request| {
            if number == 0 && matches!(request, Request::Sweep) {
                at_work.wait();
                at_work.wait();
            }
            Some(answer(request))
        }
    });
    let link = fake.link();
    link.remember(TOKEN, credential(), None);
    std::thread::scope(|scope| {
        let busy = scope.spawn(|| sweep(&link));
        at_work.wait();
        link.forget(TOKEN);
        at_work.wait();
        busy.join().unwrap().unwrap();
    });
    sweep(&link).unwrap();
    assert_eq!(fake.asked()[3..], listed(&[(1, "Hello"), (1, "Sweep")]));
}

#[test]
fn a_refusal_is_the_error_it_names_and_keeps_the_connection() {
    let fake = Fake::new(|_, request| match request {
        Request::Tokens => Some(Response::Refused(Reason::StoreFull.into())),
        _ => Some(answer(request)),
    });
    let link = fake.link();
    assert_eq!(link.ask(&Request::Tokens).unwrap_err().reason(), Reason::StoreFull);
    sweep(&link).unwrap();
    assert_eq!(fake.asked().last().unwrap(), &(0, "Sweep".into()));
}

#[test]
fn callers_at_once_have_connections_of_their_own_up_to_a_limit() {
    let together = Arc::new(Barrier::new(MAX_CONNECTIONS));
    let fake = Fake::new(move |_, request| {
        if matches!(request, Request::Sweep) {
            together.wait();
        }
        Some(answer(request))
    });
    let link = fake.link();
    std::thread::scope(|scope| {
        let callers: Vec<_> =
            (0..3 * MAX_CONNECTIONS).map(|_| scope.spawn(|| sweep(&link))).collect();
        for caller in callers {
            caller.join().unwrap().unwrap();
        }
    });
    let connections = fake.asked().iter().filter(|(_, name)| name == "Hello").count();
    assert_eq!(connections, MAX_CONNECTIONS);
}

#[test]
fn another_store_in_the_same_place_is_noticed() {
    let fake = Fake::new(|number, request| match request {
        Request::Hello { .. } => Some(welcome(Id::new([u8::try_from(number).unwrap(); 16]), 1)),
        _ => Some(answer(request)),
    });
    let link = fake.link();
    sweep(&link).unwrap();
    link.forget(TOKEN);
    assert_eq!(sweep(&link).unwrap_err().reason(), Reason::AgentRefuses);
}

#[test]
fn the_page_is_mapped_once() {
    let fake = Fake::new(|_, request| Some(answer(request)));
    let link = fake.link();
    let page = link.page().unwrap();
    let before = (page.token(TOKEN), page.record(STORE));
    fake.page.lock().unwrap().moved(TOKEN, STORE);
    let moved = (before.0.wrapping_add(1), before.1.wrapping_add(1));
    assert_eq!((page.token(TOKEN), page.record(STORE)), moved);
    assert!(Arc::ptr_eq(&page, &link.page().unwrap()));
}

#[test]
fn a_new_agents_page_takes_the_place_of_the_last_ones() {
    let fake = Fake::new(|_, request| Some(answer(request)));
    let link = fake.link();
    let page = link.page().unwrap();
    let kept = page.record(STORE);
    fake.page.lock().unwrap().ended();
    assert_eq!(page.record(STORE), kept, "nobody has come since");
    *fake.page.lock().unwrap() = PageWriter::open(fake.directory.path()).unwrap();
    fake.page.lock().unwrap().started().unwrap();
    assert_ne!(page.record(STORE), kept, "before it was asked anything");
    link.forget(TOKEN);
    sweep(&link).unwrap();
    assert_eq!(page.identity(), fake.page.lock().unwrap().identity());
    assert_ne!(page.record(STORE), kept);
}

#[test]
fn a_page_that_does_not_arrive_is_said_and_one_that_is_known_is_not_needed() {
    let named = Arc::new(AtomicU64::new(7));
    let fake = Fake::new({
        let named = Arc::clone(&named);
        move |_, request| match request {
            Request::Hello { .. } => {
                let page = named.load(Ordering::Relaxed);
                Some(Response::Welcome {
                    protocol: 1,
                    store: STORE,
                    incarnation: 5,
                    nonce: [7; 32],
                    page,
                })
            }
            _ => Some(answer(request)),
        }
    });
    let link = fake.link();
    let error = sweep(&link).unwrap_err();
    assert_eq!(error.reason(), Reason::AgentAbsent);
    assert!(error.to_string().contains("was not received: Too many open files"), "{error}");
    named.store(0, Ordering::Relaxed);
    sweep(&link).unwrap();
    named.store(fake.page.lock().unwrap().identity(), Ordering::Relaxed);
    link.forget(TOKEN);
    sweep(&link).unwrap();
}

#[test]
fn a_page_of_an_agent_that_is_gone_already_is_asked_for_again() {
    let fake = Fake::new(|_, request| Some(answer(request)));
    let gone = PageWriter::open(fake.directory.path()).unwrap();
    gone.ended();
    fake.page.lock().unwrap().started().unwrap();
    let living = std::mem::replace(&mut *fake.page.lock().unwrap(), gone);
    let error = sweep(&fake.link()).unwrap_err();
    assert_eq!(error.reason(), Reason::AgentLost);
    assert_eq!(fake.asked().len(), super::LINK_TRIES);
    *fake.page.lock().unwrap() = living;
    sweep(&fake.link()).unwrap();
}

#[test]
fn where_no_agent_can_be_started_the_reason_is_told() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(file_names::CELLS), "").unwrap();
    let directory = folder.path().to_owned();
    let location = AgentLocation {
        directory,
        program: Some("/nonexistent/k".into()),
        configuration: None,
        records: None,
    };
    let error = sweep(&Link::new(location)).unwrap_err();
    assert_eq!(error.reason(), Reason::AgentAbsent);
    assert!(error.to_string().contains("/nonexistent/k"), "{error}");
}

#[test]
fn without_a_store_nobody_is_asked_and_no_agent_is_started() {
    let fake = Fake::new(|_, request| Some(answer(request)));
    let mark = fake.directory.path().join(file_names::CELLS);
    std::fs::remove_file(&mark).unwrap();
    let link = fake.link();
    assert_eq!(sweep(&link).unwrap_err().reason(), Reason::StoreAbsent);
    assert_eq!(fake.asked(), []);
    assert!(link.without_store().is_some());
}

#[test]
fn a_store_that_is_out_of_sight_is_told_from_one_that_is_yet_to_be_made() {
    let fake = Fake::new(|number, request| (number > 0 || hello(request)).then(|| answer(request)));
    let link = fake.link();
    link.store().unwrap();
    let mark = fake.directory.path().join(file_names::CELLS);
    std::fs::rename(&mark, mark.with_extension("away")).unwrap();
    for error in [sweep(&link).unwrap_err(), link.make_store().unwrap_err()] {
        assert_eq!(error.reason(), Reason::StoreAbsent);
        assert!(error.to_string().contains("held one"), "{error}");
    }
    assert_eq!(link.without_store(), None);
    std::fs::rename(mark.with_extension("away"), &mark).unwrap();
    sweep(&link).unwrap();
}

fn hello(request: &Request) -> bool {
    matches!(request, Request::Hello { .. })
}

#[test]
fn a_question_that_is_too_long_is_not_asked() {
    let fake = Fake::new(|_, request| Some(answer(request)));
    let link = fake.link();
    let request = Request::Read { token: TOKEN, ids: vec![TOKEN; 1 << 20] };
    let error = link.ask(&request).unwrap_err();
    assert_eq!(error.reason(), Reason::FunctionFailed);
    sweep(&link).unwrap();
    assert_eq!(fake.asked(), listed(&[(0, "Hello"), (0, "Sweep")]));
}

#[test]
fn an_agent_that_says_that_it_works_is_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join(file_names::CELLS), "").unwrap();
    let listener = UnixListener::bind(directory.path().join(socket::NAME)).unwrap();
    let page = PageWriter::open(directory.path()).unwrap();
    let agent = std::thread::spawn(move || {
        let (mut connection, _) = listener.accept().unwrap();
        // The first ones before anything was read.
        for _ in 0..2 {
            for _ in 0..4 {
                frame::send(&mut connection, &Response::Working).unwrap();
                std::thread::sleep(Duration::from_millis(200));
            }
            let request = frame::receive(&mut connection, MAX_FRAME).unwrap().unwrap();
            say(&connection, answer(&request), &page).unwrap();
        }
    });
    let location = AgentLocation {
        directory: directory.path().into(),
        program: None,
        configuration: None,
        records: None,
    };
    sweep(&Link::with_patience(location, Duration::from_millis(600))).unwrap();
    agent.join().unwrap();
}

/// An agent that answers nothing but greetings until it is told.
fn silent() -> (Fake, std::sync::mpsc::Sender<()>) {
    let (speak, spoken) = std::sync::mpsc::channel::<()>();
    let (spoken, may_speak) = (Mutex::new(spoken), std::sync::atomic::AtomicBool::new(false));
    let fake = Fake::new(move |_, request| {
        use std::sync::atomic::Ordering::Relaxed;
        if matches!(request, Request::Sweep) && !may_speak.load(Relaxed) {
            let _told = spoken.lock().unwrap().recv();
            may_speak.store(true, Relaxed);
        }
        Some(answer(request))
    });
    (fake, speak)
}

#[test]
fn all_threads_are_told_of_a_silent_agent_at_once_and_the_next_calls_right_away() {
    let (fake, speak) = silent();
    let patience = Duration::from_millis(1200);
    let link = fake.link_with(patience);
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..4 * MAX_CONNECTIONS {
            scope.spawn(|| {
                let reason = sweep(&link).unwrap_err().reason();
                assert!(matches!(reason, Reason::AgentLost | Reason::AgentDown), "{reason:?}");
            });
        }
    });
    assert!(began.elapsed() < patience * 2, "they waited one after the other");
    let (asked, began) = (fake.asked().len(), Instant::now());
    for _ in 0..50 {
        assert_eq!(sweep(&link).unwrap_err().reason(), Reason::AgentDown);
        assert!(!link.tell_running(&Request::Sweep).unwrap());
    }
    assert!(began.elapsed() < Duration::from_secs(1) && fake.asked().len() == asked);
    speak.send(()).unwrap();
    let answers = || sweep(&link).is_ok();
    while !answers() {
        assert!(began.elapsed() < Duration::from_secs(10), "it is never asked again");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn what_can_be_left_unsaid_waits_once_for_a_silent_agent_and_keeps_nobody_from_asking() {
    let (fake, speak) = silent();
    let link = fake.link_with(Duration::from_secs(60));
    let began = Instant::now();
    assert_eq!(link.tell_running(&Request::Sweep).unwrap_err().reason(), Reason::AgentLost);
    assert!(began.elapsed() < BRIEF_TIMEOUT * 2);
    let told = Instant::now();
    for _ in 0..50 {
        assert!(!link.tell_running(&Request::Sweep).unwrap());
    }
    assert!(told.elapsed() < BRIEF_TIMEOUT / 2, "it waited again");
    // The next question may come before the first one is answered.
    (0..2).for_each(|_| speak.send(()).unwrap());
    sweep(&link).unwrap();
    assert!(link.tell_running(&Request::Sweep).unwrap(), "once it has been heard it is told");
}

#[test]
fn a_connection_that_is_lost_is_no_outage_while_others_are_answered() {
    let (end, ended) = std::sync::mpsc::channel::<()>();
    let ended = Mutex::new(ended);
    let fake = Fake::new(move |_, request| {
        if matches!(request, Request::Clock) {
            let _told = ended.lock().unwrap().recv();
        }
        Some(answer(request))
    });
    let link = fake.link_with(Duration::from_millis(1200));
    std::thread::scope(|scope| {
        let stuck = scope.spawn(|| link.ask(&Request::Clock).unwrap_err().reason());
        while !stuck.is_finished() {
            sweep(&link).unwrap();
        }
        assert_eq!(stuck.join().unwrap(), Reason::AgentLost);
    });
    sweep(&link).unwrap();
    drop(end);
}

#[test]
fn threads_share_what_comes_of_a_start() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("agent");
    let script = "#!/bin/sh\necho x >> \"$4.starts\"\nsleep 0.3\necho no >&2\nexit 1\n";
    let write = "printf '%s' \"$2\" > \"$1\" && chmod 700 \"$1\"";
    let mut shell = std::process::Command::new("sh");
    let written = shell.args(["-c", write, "sh"]).arg(&program).arg(script).status().unwrap();
    assert!(written.success());
    let directory = folder.path().join("store");
    std::fs::create_dir(&directory).unwrap();
    std::fs::write(directory.join(file_names::CELLS), "").unwrap();
    let link = Link::new(AgentLocation {
        directory,
        program: Some(program),
        configuration: None,
        records: None,
    });
    let together = Barrier::new(8);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                together.wait();
                let error = sweep(&link).unwrap_err();
                assert!(error.to_string().ends_with(": no"), "{error}");
            });
        }
    });
    let starts = std::fs::read_to_string(folder.path().join("store.starts")).unwrap();
    assert!(starts.lines().count() < 4, "{starts}");
}
