//! `infoplane serve`: a dashboard of a store, read-only, for a browser on this machine.
//!
//! `http` reads requests and writes answers, `desk` knows the store and makes the pages, `results` lists what was measured of a run, `token` is
//! who may look.

mod desk;
mod http;
mod results;
mod token;

use std::io::{self, Read};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use clap::Args;

use super::StoreArguments;
use super::exit::{Exit, Failure};
use super::interrupt::Interrupt;
use crate::launch::drive::Wish;
use crate::report::problem_page;
use crate::store::Store;
use desk::Desk;
use http::{Answer, Request};
use token::Door;

/// Connections served at the same time; more are turned away.
const MOST_AT_ONCE: usize = 32;
/// How long, and how much, is listened to after an answer.
const LINGER: Duration = Duration::from_secs(1);
const MOST_IGNORED: u64 = 256 << 10;
/// Time between two looks for a connection, or Ctrl-C.
const EVERY: Duration = Duration::from_millis(20);

/// Show a store in the browser: progress, runs, failures, figures, search
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  infoplane serve                                  http://127.0.0.1:8787/, for this machine alone
  infoplane serve --out study --port 0             on any free port, which it prints
  infoplane serve --bind 0.0.0.0                   for others, too: whoever looks needs the token that it prints

INFOPLANE_TOKEN sets the token; without it one is made up where the address is not this machine's alone. Ctrl-C ends.")]
pub struct ServeArguments {
    #[command(flatten)]
    store: StoreArguments,
    /// Port; 0 for any free one
    #[arg(long, value_name = "PORT", default_value_t = 8787)]
    port: u16,
    /// Address to listen at
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    bind: IpAddr,
}

pub fn serve(arguments: &ServeArguments, quiet: bool) -> Result<Exit, Failure> {
    let store = Store::open_existing(&arguments.store.out)?;
    let desk = Arc::new(Desk::new(store));
    let address = SocketAddr::new(arguments.bind, arguments.port);
    let cannot = |e| Failure::new(Exit::Invalid, format!("cannot listen at {address}: {e}"));
    let listener = TcpListener::bind(address).map_err(cannot)?;
    listener.set_nonblocking(true).map_err(cannot)?;
    let address = listener.local_addr().map_err(cannot)?;
    let door =
        Arc::new(Door::new(address, std::env::var("INFOPLANE_TOKEN").ok()).map_err(|e| Failure::from_error(Exit::Internal, &e))?);
    if !quiet {
        tell!("serving {} at {}; Ctrl-C ends", arguments.store.out.display(), door.invitation(address));
    }
    let interrupt = Interrupt::listen(&[])?;
    let busy = Arc::new(AtomicUsize::new(0));
    while interrupt.wish() == Wish::Run {
        match listener.accept() {
            Ok((stream, _)) => {
                if busy.fetch_add(1, Ordering::AcqRel) >= MOST_AT_ONCE {
                    busy.fetch_sub(1, Ordering::AcqRel);
                    continue;
                }
                let (desk, door, busy) = (Arc::clone(&desk), Arc::clone(&door), Arc::clone(&busy));
                thread::spawn(move || {
                    attend(stream, &desk, &door);
                    busy.fetch_sub(1, Ordering::AcqRel);
                });
            }
            // Nobody there, or somebody who went away again.
            Err(_) => thread::sleep(EVERY),
        }
    }
    Ok(Exit::Done)
}

/// Serves one connection. What goes wrong with it ends it and nothing else.
fn attend(mut stream: TcpStream, desk: &Desk, door: &Door) {
    // On some systems it inherits the listener's way.
    let _ = stream.set_nonblocking(false);
    let (head_only, answer) = match http::read(&mut stream) {
        Ok(request) => match answer(&request, desk, door).part(request.field("range")) {
            Ok(answer) => (request.head_only, answer),
            Err(_) => (request.head_only, Answer::page((404, "Not Found"), problem_page("Not here", "The file cannot be read."))),
        },
        Err(status) => (false, Answer::page(status, problem_page(status.1, "The request was not understood."))),
    };
    let _ = answer.write(head_only, &mut stream);
    let _ = stream.shutdown(Shutdown::Write);
    // What is still on its way is taken, up to a bound: closed before, the connection would be reset and the answer lost.
    let _ = stream.set_read_timeout(Some(LINGER));
    let _ = io::copy(&mut stream.take(MOST_IGNORED), &mut io::sink());
}

fn answer(request: &Request, desk: &Desk, door: &Door) -> Answer {
    if let Some(refused) = door.check(request) {
        return refused;
    }
    let asked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| desk.answer(request)));
    match asked {
        Ok(Ok(answer)) => answer,
        Ok(Err(failure)) => Answer::page((500, "Internal Server Error"), problem_page("It does not work", &failure.report())),
        Err(_) => Answer::page((500, "Internal Server Error"), problem_page("It does not work", "A defect of the program.")),
    }
}
