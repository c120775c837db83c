//! What a person has before them, and what each key and answer makes of it. Pure: it asks for calls, and
//! others make them.

use super::dialog::{Dialog, Did};
use super::keys::{Key, Line};
use crate::limits;
use crate::news::{news, sentence};
use crate::words;
use access::{Person, RequestId, Time};
use api::{NewReview, NewVerdict, RequestView};
use std::collections::VecDeque;
use workflow::RequestState;

/// What comes in.
#[derive(Clone, Debug)]
pub enum Input {
    /// A key.
    Key(Key),
    /// A second has passed.
    Tick(Time),
    /// The requests that wait, or why there is no list.
    Listed(Result<Vec<RequestView>, String>),
    /// What became of a request that waits no more; nothing where it cannot be seen any more.
    Looked(Option<Box<RequestView>>),
    /// What the desk made of a review, in words: done, or why not.
    Reviewed(Result<String, String>),
    /// This process is asked to stop.
    Stop,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// The requests that wait.
    List,
    /// What became of this one.
    Look(RequestId),
    /// A review.
    Review(RequestId, Box<NewReview>),
    /// The end.
    Quit,
}

/// What keys mean now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// They choose.
    List,
    /// They write what to look for.
    Filter,
    /// They close the help.
    Help,
    /// They write a review.
    Dialog(Box<Dialog>),
}

/// Where a request belongs, in the order of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Section {
    /// The reader can review it.
    Yours,
    /// The reader has, or only looks on.
    Others,
    /// The reader asked for it or gets it.
    Own,
}

/// The state of the screen.
#[derive(Clone, Debug)]
pub struct Inbox {
    /// Who reads it.
    pub you: Person,
    /// Who answers: `jitd`, `the hub`.
    pub door: &'static str,
    /// Now, as far as it was told.
    pub now: Time,
    /// What keys mean.
    pub mode: Mode,
    /// What is looked for.
    pub filter: Line,
    /// What happened last, newest at the end: whether well, and in words.
    pub told: VecDeque<(bool, String)>,
    /// Why the last list did not come.
    pub away: Option<String>,
    /// The first line of the details that is shown.
    pub scrolled: u16,
    requests: Vec<RequestView>,
    selected: Option<RequestId>,
    /// Whether a list came at least once: what is new before that is no news.
    begun: bool,
    listing: bool,
    looking: bool,
    /// A request whose next change is the reader's own doing, which the desk has answered already.
    mine: Option<RequestId>,
    /// The review that is on its way.
    pub sent: Option<Box<Dialog>>,
    /// Requests that wait no more, whose end nobody has told yet.
    gone: VecDeque<RequestView>,
}

impl Inbox {
    /// An inbox that knows nothing yet.
    pub fn new(you: Person, door: &'static str, now: Time) -> Self {
        Self {
            you,
            door,
            now,
            mode: Mode::List,
            filter: Line::default(),
            told: VecDeque::new(),
            away: None,
            scrolled: 0,
            requests: Vec::new(),
            selected: None,
            begun: false,
            listing: false,
            looking: false,
            mine: None,
            sent: None,
            gone: VecDeque::new(),
        }
    }

    /// Takes what came in; what is to be asked for now.
    pub fn on(&mut self, input: Input) -> Option<Call> {
        match input {
            Input::Stop | Input::Key(Key::Interrupt) => Some(Call::Quit),
            Input::Key(key) => self.key(&key),
            Input::Tick(now) => {
                self.now = now;
                if self.listing { None } else { Some(self.list()) }
            }
            Input::Listed(listed) => {
                self.listing = false;
                match listed {
                    Ok(requests) => self.listed(requests),
                    Err(why) => self.away = Some(why),
                }
                self.look()
            }
            Input::Looked(after) => {
                self.looking = false;
                let before = self.gone.pop_front();
                if let (Some(before), Some(after)) = (before, after) {
                    self.tell_news(Some(&before), &after);
                }
                self.look()
            }
            Input::Reviewed(done) => {
                let sent = self.sent.take();
                match done {
                    Ok(words) => {
                        self.mine = sent.map(|dialog| dialog.request.ask.id);
                        self.tell(true, words);
                    }
                    Err(why) => {
                        self.tell(false, why.clone());
                        // What was written is there to be sent again, unless something else is being written by now.
                        if let (Some(dialog), Mode::List) = (sent, &self.mode) {
                            self.mode = Mode::Dialog(Box::new(Dialog { wrong: Some(why), ..*dialog }));
                        }
                    }
                }
                Some(self.list())
            }
        }
    }

    /// Whether a list came already.
    pub fn has_begun(&self) -> bool {
        self.begun
    }

    /// The requests that are shown, with their sections, in the order of the screen.
    pub fn shown(&self) -> Vec<(Section, &RequestView)> {
        let shown = self.requests.iter().filter(|request| self.finds(request));
        shown.map(|request| (self.section(request), request)).collect()
    }

    /// The request that keys are about.
    pub fn selected(&self) -> Option<&RequestView> {
        let shown = self.shown();
        let chosen = shown.iter().find(|(_, request)| Some(request.ask.id) == self.selected);
        chosen.or(shown.first()).map(|(_, request)| *request)
    }

    fn list(&mut self) -> Call {
        self.listing = true;
        Call::List
    }

    /// Asks for the first end that nobody has told yet, one at a time.
    fn look(&mut self) -> Option<Call> {
        let gone = self.gone.front().filter(|_| !self.looking)?;
        self.looking = true;
        Some(Call::Look(gone.ask.id))
    }

    /// The details were drawn, and this is how far they can be scrolled.
    pub fn settle(&mut self, furthest: u16) {
        self.scrolled = self.scrolled.min(furthest);
    }

    fn section(&self, request: &RequestView) -> Section {
        if request.yours_to_review {
            Section::Yours
        } else if request.ask.person == self.you || request.ask.asked_by == self.you {
            Section::Own
        } else {
            Section::Others
        }
    }

    fn finds(&self, request: &RequestView) -> bool {
        let wanted = self.filter.as_str().to_lowercase();
        let ask = &request.ask;
        wanted.is_empty()
            || [
                ask.id.to_string(),
                ask.person.to_string(),
                words::asks(request),
                ask.reason.to_string(),
                ask.ticket.as_ref().map(ToString::to_string).unwrap_or_default(),
                request.rule.clone(),
            ]
            .iter()
            .any(|text| text.to_lowercase().contains(&wanted))
    }

    fn listed(&mut self, mut requests: Vec<RequestView>) {
        if self.away.take().is_some() {
            self.tell(true, format!("{} answers again.", self.door));
        }
        // Oldest first, so that nothing moves under the hand of a person when another one comes in.
        requests.sort_by_key(|request| {
            (self.section(request), request.afterwards.is_none(), request.ask.asked_at, request.ask.id)
        });
        let place = self.place();
        let before = std::mem::replace(&mut self.requests, requests);
        if self.begun {
            let same = |one: &RequestView, other: &RequestView| one.ask.id == other.ask.id;
            for after in self.requests.clone() {
                let known = before.iter().find(|before| same(before, &after));
                self.tell_news(known, &after);
            }
            let now = &self.requests;
            let gone = before.into_iter().filter(|before| !now.iter().any(|now| same(now, before)));
            self.gone.extend(gone);
            // All others are in `jit requests --all`.
            self.gone.truncate(limits::TOLD_AT_ONCE);
        }
        self.begun = true;
        self.choose(place);
    }

    fn tell_news(&mut self, before: Option<&RequestView>, after: &RequestView) {
        let (id, news) = (after.ask.id, news(before, after));
        if !news.is_empty() && self.mine == Some(id) {
            self.mine = None;
            return;
        }
        for change in news {
            self.tell(!change.is_loud(), format!("{id}: {}.", sentence(change, before, after)));
        }
    }

    fn tell(&mut self, good: bool, words: String) {
        self.told.push_back((good, words));
        let many = self.told.len().saturating_sub(limits::TOLD);
        self.told.drain(..many);
    }

    /// Which row is chosen, counted among those shown.
    fn place(&self) -> usize {
        let shown = self.shown();
        shown.iter().position(|(_, request)| Some(request.ask.id) == self.selected).unwrap_or(0)
    }

    /// Keeps to the chosen request while it is shown, else to the one in its place.
    fn choose(&mut self, place: usize) {
        let shown = self.shown();
        let kept = shown.iter().any(|(_, request)| Some(request.ask.id) == self.selected);
        if kept {
            return;
        }
        let last = shown.len().saturating_sub(1);
        self.selected = shown.get(place.min(last)).map(|(_, request)| request.ask.id);
        self.scrolled = 0;
    }

    fn go(&mut self, place: usize) {
        let shown = self.shown();
        let last = shown.len().saturating_sub(1);
        self.selected = shown.get(place.min(last)).map(|(_, request)| request.ask.id);
        self.scrolled = 0;
    }

    fn key(&mut self, key: &Key) -> Option<Call> {
        match &mut self.mode {
            Mode::List => self.list_key(key),
            Mode::Help => {
                self.mode = Mode::List;
                None
            }
            Mode::Filter => {
                let place = self.place();
                match key {
                    Key::Enter => self.mode = Mode::List,
                    Key::Escape => {
                        self.filter = Line::default();
                        self.mode = Mode::List;
                    }
                    key => {
                        self.filter.take(key);
                    }
                }
                self.choose(place);
                None
            }
            Mode::Dialog(dialog) => match dialog.take(key) {
                Did::Wrote => None,
                Did::GaveUp => {
                    self.mode = Mode::List;
                    None
                }
                Did::Sent(review) => {
                    let id = dialog.request.ask.id;
                    self.sent = Some(dialog.clone());
                    self.mode = Mode::List;
                    Some(Call::Review(id, Box::new(review)))
                }
            },
        }
    }

    fn list_key(&mut self, key: &Key) -> Option<Call> {
        match key {
            Key::Char('q') => return Some(Call::Quit),
            Key::Char('r') => return Some(self.list()),
            Key::Char('?') => self.mode = Mode::Help,
            Key::Char('/') => self.mode = Mode::Filter,
            Key::Char('a') => self.review(NewVerdict::Approve),
            Key::Char('d') => self.review(NewVerdict::Deny),
            Key::Up | Key::Char('k') => self.go(self.place().saturating_sub(1)),
            Key::Down | Key::Char('j') => self.go(self.place() + 1),
            Key::First | Key::Char('g') => self.go(0),
            Key::Last | Key::Char('G') => self.go(usize::MAX),
            Key::PageUp => self.scrolled = self.scrolled.saturating_sub(limits::SCROLL),
            Key::PageDown => self.scrolled = self.scrolled.saturating_add(limits::SCROLL),
            Key::Escape => {
                let place = self.place();
                self.filter = Line::default();
                self.told.clear();
                self.choose(place);
            }
            _ => {}
        }
        None
    }

    /// Begins a review of the chosen request, or says why there can be none.
    fn review(&mut self, verdict: NewVerdict) {
        let Some(request) = self.selected() else {
            self.tell(false, "There is nothing to review.".to_owned());
            return;
        };
        if request.yours_to_review {
            self.mode = Mode::Dialog(Box::new(Dialog::new(request, verdict)));
            return;
        }
        let (id, said) = (request.ask.id, request.reviews.iter().any(|review| review.by == self.you));
        let who = match (words::awaited(request).as_slice(), &request.state) {
            ([], _) => "nobody can review it now".to_owned(),
            (some, RequestState::Pending { .. }) => workflow::who_can(some),
            (some, _) => format!("{} can look at it", workflow::some_of(some)),
        };
        let why = match self.section(request) {
            _ if said => format!("you approved {id} already; {who}."),
            Section::Own => format!("{id} is your own request; {who}."),
            Section::Yours | Section::Others => format!("you may not review {id}; {who}."),
        };
        self.tell(false, why);
    }
}

#[cfg(test)]
mod tests;
