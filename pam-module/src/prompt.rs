//! Asking a refused person right there, and waiting with them for the answer of others.
//!
//! Nothing in here lets anybody in: once the daemon says that the door would open by now, the same question is
//! asked again, and its answer is the decision. What goes wrong on the way is a refusal, whatever the PAM line
//! says of no answer: there was one, and it was no.

use crate::ask::{self, NoAnswer};
use crate::sudo::Called;
use crate::terminal::{Away, Terminal};
use crate::{Arguments, Outcome, call, limits, sys, told};
use frame::{Answer, Offer, Phase, Question, Verdict, Wish};
use pam::constants::PAM_PROMPT_ECHO_ON;
use pam::conv::Conv;
use pam::items::AuthTok;
use pam::module::PamHandle;
use std::time::{Duration, Instant};

/// How a person is asked.
pub enum Prompt<'a> {
    /// Through the application: sshd passes it on to whoever logs in by keyboard-interactive.
    Application(&'a PamHandle),
    /// On the terminal that sudo or su is run on.
    Terminal(Terminal),
}

/// Why a prompt has no answer.
enum NoReply {
    /// The application asks nobody, or something that is no person answered.
    Nobody,
    /// They broke off, or are gone.
    Stopped,
    /// They typed nothing in time.
    Late,
}

impl From<Away> for NoReply {
    fn from(away: Away) -> Self {
        match away {
            Away::Stopped => Self::Stopped,
            Away::Late => Self::Late,
        }
    }
}

impl<'a> Prompt<'a> {
    /// A prompt for who is asked about, if there may be one: whether sshd asks anybody turns out when it does.
    pub fn of(pamh: &'a PamHandle, question: &Question) -> Option<Self> {
        match question.phase {
            Phase::Auth if question.service == b"sshd" => Some(Self::Application(pamh)),
            Phase::Account if std::str::from_utf8(&question.service).is_ok_and(call::switches) => {
                if question.tty.is_empty() || call::is_sudo(question) && asks_nobody() {
                    return None;
                }
                Terminal::open().map(Self::Terminal)
            }
            _ => None,
        }
    }

    fn ask(&mut self, text: &str) -> Result<Vec<u8>, NoReply> {
        let reply = match self {
            Self::Terminal(terminal) => terminal.ask(text)?,
            Self::Application(pamh) => {
                let text: Vec<String> = text.split('\n').map(told::plain).collect();
                let Ok(Some(conversation)) = pamh.get_item::<Conv<'_>>() else { return Err(NoReply::Nobody) };
                // Never without echo: for such a prompt sshd has a password at hand, and hands it over.
                let reply = conversation.send(PAM_PROMPT_ECHO_ON, &text.join("\n"));
                let Ok(Some(reply)) = reply else { return Err(NoReply::Nobody) };
                // Some clients answer each question with the password. It is no reason, and is not sent on.
                if let Ok(Some(password)) = pamh.get_item::<AuthTok<'_>>()
                    && !password.as_bytes().is_empty()
                    && contains(reply.as_bytes(), password.as_bytes())
                {
                    return Err(NoReply::Nobody);
                }
                reply.as_bytes().to_vec()
            }
        };
        Ok(reply.trim_ascii().to_vec())
    }
}

/// Whether a password stands anywhere in what was typed.
fn contains(typed: &[u8], password: &[u8]) -> bool {
    typed.windows(password.len()).any(|part| part == password)
}

/// What goes on at a prompt, from the refusal of `question` on.
pub struct Talk<'a> {
    prompt: Prompt<'a>,
    arguments: &'a Arguments,
    question: &'a Question,
    /// Until when this can wait.
    by: Instant,
    /// Whether anybody answered anything.
    heard: bool,
}

impl<'a> Talk<'a> {
    /// A talk about a question that was refused.
    pub fn about(question: &'a Question, arguments: &'a Arguments, prompt: Prompt<'a>) -> Self {
        let longest = match &prompt {
            // sshd counts from when its client connected, a little before this process began.
            Prompt::Application(_) => limits::LOGIN.saturating_sub(call::age().unwrap_or_default()),
            Prompt::Terminal(_) => limits::WAIT,
        };
        Self { prompt, arguments, question, by: Instant::now() + longest, heard: false }
    }

    /// Goes on from this refusal to the end.
    pub fn go_on(mut self, refusal: Answer) -> Outcome {
        let outcome = match &refusal.offer {
            Offer::Nothing => Outcome::Refused(line(&refusal)),
            Offer::Wait { request } => self.wait(&line(&refusal), &name(request)),
            Offer::Ask { .. } => self.wish(refusal),
        };
        if let Prompt::Terminal(terminal) = &mut self.prompt {
            terminal.done();
        }
        outcome
    }

    /// Has the person say why they want it, a few times if need be.
    fn wish(&mut self, refusal: Answer) -> Outcome {
        let (mut said, mut answer) = (Wish::default(), refusal);
        for _ in 0..limits::WISHES {
            let Offer::Ask { length, ticket } = &answer.offer else { break };
            said = match self.form(&line(&answer), &said.reason, &name(length), &name(ticket)) {
                Ok(wish) if wish.reason.is_empty() => return refused("nothing was asked for"),
                Ok(wish) => wish,
                Err(NoReply::Nobody) if !self.heard => return self.anew(),
                Err(NoReply::Late) => {
                    return refused("nothing was typed for too long, and nothing was asked for");
                }
                Err(NoReply::Nobody | NoReply::Stopped) => return refused("nothing was asked for"),
            };
            let tells = if said.reason.len() > frame::limits::TEXT {
                Err("the reason is longer than 1000 bytes")
            } else if said.length.len() > frame::limits::CODE || said.ticket.len() > frame::limits::TICKET {
                Err("that is too long for a length of time or a ticket")
            } else {
                Ok(Question { phase: Phase::Ask, wish: said.clone(), ..self.question.clone() })
            };
            answer = match tells.map(|question| self.tell(question)) {
                Err(wrong) => Answer { line: format!("jit: {wrong}.").into_bytes(), ..answer },
                Ok(Ok(answer)) => answer,
                Ok(Err(why)) => {
                    return refused(&format!("{}, so nothing may have been asked for", why.words()));
                }
            };
            if answer.verdict == Verdict::Allow {
                return self.anew();
            }
            if let Offer::Wait { request } = &answer.offer {
                return self.wait(&line(&answer), &name(request));
            }
        }
        Outcome::Refused(line(&answer))
    }

    /// One round of questions. A reason that was given before is kept by Enter.
    fn form(&mut self, line: &str, before: &[u8], length: &str, ticket: &str) -> Result<Wish, NoReply> {
        let again = if before.is_empty() { "" } else { " [as before]" };
        let mut wish = Wish { reason: self.ask(&format!("{line}\nReason{again}: "))?, ..Wish::default() };
        if wish.reason.is_empty() {
            wish.reason = before.to_vec();
        }
        if wish.reason.is_empty() {
            return Ok(wish);
        }
        wish.length = self.ask(&format!("For how long [{length}]: "))?;
        if !ticket.is_empty() {
            wish.ticket = self.ask(&format!("Ticket, like {ticket}: "))?;
        }
        Ok(wish)
    }

    /// Waits for the decision on `request`.
    fn wait(&mut self, state: &str, request: &str) -> Outcome {
        let (mut state, mut deaf, mut at_once) = (state.to_owned(), None, false);
        let stays = format!("request {request} stays open");
        if let Prompt::Terminal(terminal) = &mut self.prompt {
            if !self.heard {
                // The refusal, which says too that something waits; the line that changes says that alone.
                terminal.say(&state);
                at_once = true;
            }
            terminal.say(&format!("jit: waiting for it. ^C stops that, and {stays}."));
        }
        loop {
            if Instant::now() >= self.by {
                return refused(&match self.prompt {
                    Prompt::Application(_) => format!("a login cannot wait longer; {stays}. Come again"),
                    Prompt::Terminal(_) => {
                        format!("nobody decided while this waited; {stays}. Try again later")
                    }
                });
            }
            let paused = if std::mem::take(&mut at_once) { Ok(true) } else { self.pause(&state) };
            match paused {
                Ok(true) => {}
                Err(NoReply::Nobody) if !self.heard => return self.anew(),
                Ok(false) | Err(_) => {
                    return refused(&format!("no longer waiting; {stays}: try again once it is approved"));
                }
            }
            match self.tell(Question { phase: Phase::Wait, ..self.question.clone() }) {
                Ok(answer) if answer.verdict == Verdict::Allow => return self.anew(),
                Ok(answer) if matches!(answer.offer, Offer::Wait { .. }) => {
                    (state, deaf) = (line(&answer), None);
                }
                Ok(answer) => return Outcome::Refused(line(&answer)),
                // It is started anew, or busy; what waits there is not lost by that.
                Err(NoAnswer::Unavailable(why)) => {
                    let since = *deaf.get_or_insert_with(Instant::now);
                    if since.elapsed() >= limits::DEAF {
                        return refused(&format!(
                            "this host's access daemon does not answer ({why}); {stays}"
                        ));
                    }
                    "jit: this host's access daemon does not answer; trying again.".clone_into(&mut state);
                }
                Err(NoAnswer::BrokenOff(_)) => {
                    return refused(&format!("no longer waiting; {stays}: try again once it is approved"));
                }
            }
        }
    }

    /// Until it is time to look again; false where they want to stop.
    fn pause(&mut self, state: &str) -> Result<bool, NoReply> {
        match &mut self.prompt {
            Prompt::Terminal(terminal) => {
                terminal.wait(state, limits::LOOK_AGAIN)?;
                Ok(true)
            }
            Prompt::Application(_) => {
                let since = Instant::now();
                let typed = self.ask(&format!("{state} Press Enter to check (q and Enter: stop): "))?;
                // What answers without reading must not keep the daemon busy.
                let rest: Duration = limits::LOOK_AGAIN.saturating_sub(since.elapsed());
                std::thread::sleep(rest);
                Ok(!typed.starts_with(b"q"))
            }
        }
    }

    fn ask(&mut self, text: &str) -> Result<Vec<u8>, NoReply> {
        let reply = self.prompt.ask(text);
        self.heard |= reply.is_ok();
        reply
    }

    /// The decision itself, asked for once more, and with no prompt.
    fn anew(&mut self) -> Outcome {
        match self.tell(Question { can_prompt: false, ..self.question.clone() }) {
            Ok(answer) if answer.verdict == Verdict::Allow => Outcome::In,
            Ok(answer) => Outcome::Refused(line(&answer)),
            Err(why) => why.into(),
        }
    }

    fn tell(&self, question: Question) -> Result<Answer, NoAnswer> {
        let nonce =
            sys::random().ok_or_else(|| NoAnswer::BrokenOff("the kernel gives no random numbers".into()))?;
        ask::ask(&self.arguments.socket, &Question { nonce, ..question }, self.arguments.timeout)
    }
}

fn refused(why: &str) -> Outcome {
    Outcome::Refused(format!("jit: {why}."))
}

fn line(answer: &Answer) -> String {
    name(&answer.line)
}

/// Whether whoever calls this sudo does not sit and read.
fn asks_nobody() -> bool {
    Called::read(&call::command_line(), limits::COMMAND_LINE).asks_nobody
}

/// What the daemon says, as it can be shown.
fn name(bytes: &[u8]) -> String {
    told::plain(&String::from_utf8_lossy(bytes))
}
