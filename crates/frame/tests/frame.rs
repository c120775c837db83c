//! One encoding for each message, and every other byte string is refused.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // also in the functions that tests share

use frame::{
    Answer, FrameError, Mode, Notice, Offer, Phase, Question, VERSION, Verdict, Wish, frame_length, limits,
};
use proptest::prelude::*;

fn question() -> Question {
    Question {
        nonce: *b"0123456789abcdef",
        phase: Phase::Account,
        service: b"sshd".to_vec(),
        subject: b"alice".to_vec(),
        target: b"alice".to_vec(),
        rhost: b"client".to_vec(),
        address: b"203.0.113.5".to_vec(),
        tty: b"ssh".to_vec(),
        uid: 0,
        pid: 4711,
        start_ticks: 99,
        audit_session: u32::MAX,
        mode: Mode::Enforce,
        notice: Notice::None,
        outer_session: 7,
        can_prompt: false,
        wish: Wish::default(),
    }
}

fn answer() -> Answer {
    Answer {
        nonce: *b"0123456789abcdef",
        subject: b"alice".to_vec(),
        service: b"sshd".to_vec(),
        verdict: Verdict::Allow,
        reason: b"granted".to_vec(),
        grant: b"G-7K2Q9-M4XTB".to_vec(),
        expires: 1_800_000_000,
        line: Vec::new(),
        offer: Offer::Nothing,
    }
}

fn wish() -> Wish {
    Wish { reason: b"disk full".to_vec(), length: b"30m".to_vec(), ticket: b"OPS-1".to_vec() }
}

fn offers() -> [Offer; 4] {
    let length = || b"1h".to_vec();
    [
        Offer::Nothing,
        Offer::Ask { length: length(), ticket: Vec::new() },
        Offer::Ask { length: length(), ticket: b"OPS-[0-9]+".to_vec() },
        Offer::Wait { request: b"R-7K2Q9-M4XTB".to_vec() },
    ]
}

#[test]
fn the_bytes_on_the_wire_never_change_within_a_version() {
    let hex = |bytes: Vec<u8>| bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    assert_eq!(
        hex(question().encode().unwrap()),
        concat!(
            "4a49543f010087",
            "010010303132333435363738396162636465660200010103000473736864040005616c696365050005616c696365",
            "060006636c69656e7407000b3230332e302e3131332e35080003737368090004000000000a0004000012670b0008",
            "00000000000000630c0004ffffffff0d0001010e0001000f00040000000710000100110000120000130000"
        )
    );
    assert_eq!(
        hex(answer().encode().unwrap()),
        concat!(
            "4a49542101005b",
            "01001030313233343536373839616263646566020005616c69636503000473736864040001a50500076772616e746564",
            "06000d472d374b3251392d4d34585442070008000000006b49d200080000090001000a00000b00000c0000"
        )
    );
    assert_eq!(VERSION, 1);
}

#[test]
fn every_message_reads_back() {
    for phase in [Phase::Account, Phase::Auth, Phase::Open, Phase::Close, Phase::Wait] {
        for mode in [Mode::Enforce, Mode::Monitor] {
            let question = Question { phase, mode, ..question() };
            assert_eq!(Question::decode(&question.encode().unwrap()), Ok(question));
        }
    }
    for notice in [Notice::Exempt, Notice::SpareKey] {
        let question = Question { phase: Phase::Notice, notice, ..question() };
        assert_eq!(Question::decode(&question.encode().unwrap()), Ok(question));
    }
    let asks = Question { phase: Phase::Ask, can_prompt: true, wish: wish(), ..question() };
    assert_eq!(Question::decode(&asks.encode().unwrap()), Ok(asks));
    for offer in offers() {
        let answer = Answer { offer, ..answer() };
        assert_eq!(Answer::decode(&answer.encode().unwrap()), Ok(answer));
    }
    for verdict in [Verdict::Allow, Verdict::Deny] {
        let answer = Answer { verdict, line: vec![b'x'; limits::LINE], ..answer() };
        assert_eq!(Answer::decode(&answer.encode().unwrap()), Ok(answer));
    }
}

#[test]
fn a_notice_notices_something_and_nothing_else_does() {
    for (phase, notice) in [(Phase::Notice, Notice::None), (Phase::Account, Notice::SpareKey)] {
        let bytes = Question { phase, notice, ..question() }.encode().unwrap();
        assert_eq!(Question::decode(&bytes), Err(FrameError::Field(14)));
    }
}

#[test]
fn who_asks_says_why_and_nobody_else_wishes_anything() {
    for (phase, wish) in [
        (Phase::Ask, Wish::default()),
        (Phase::Ask, Wish { reason: Vec::new(), ..wish() }),
        (Phase::Wait, wish()),
        (Phase::Account, Wish { reason: Vec::new(), ticket: Vec::new(), ..wish() }),
        (Phase::Account, Wish { reason: Vec::new(), length: Vec::new(), ..wish() }),
    ] {
        let bytes = Question { phase, wish, ..question() }.encode().unwrap();
        assert_eq!(Question::decode(&bytes), Err(FrameError::Field(17)));
    }
}

#[test]
fn an_offer_holds_what_its_kind_needs_and_nothing_else() {
    for kind in 0..=3u8 {
        for offer in offers() {
            let is = match offer {
                Offer::Nothing => 0,
                Offer::Ask { .. } => 1,
                Offer::Wait { .. } => 2,
            };
            let frame = Answer { offer: offer.clone(), ..answer() }.encode().unwrap();
            let read = Answer::decode(&edited(&frame, |body| {
                let at = body.windows(3).rposition(|head| head == [9, 0, 1]).unwrap();
                body[at + 3] = kind;
            }));
            if kind == is {
                assert_eq!(read.unwrap().offer, offer);
            } else {
                assert_eq!(read, Err(FrameError::Field(9)), "{kind} {offer:?}");
            }
        }
    }
    let no_length = Answer { offer: Offer::Ask { length: Vec::new(), ticket: b"A".to_vec() }, ..answer() };
    assert_eq!(Answer::decode(&no_length.encode().unwrap()), Err(FrameError::Field(9)));
}

#[test]
fn every_cut_and_every_byte_more_is_refused() {
    let (asked, answered) = (question().encode().unwrap(), answer().encode().unwrap());
    for cut in 0..asked.len() {
        assert!(Question::decode(&asked[..cut]).is_err());
    }
    for cut in 0..answered.len() {
        assert!(Answer::decode(&answered[..cut]).is_err());
    }
    assert_eq!(Question::decode(&[asked, vec![0]].concat()), Err(FrameError::Length));
    assert_eq!(Answer::decode(&[answered, vec![0]].concat()), Err(FrameError::Length));
    assert_eq!(Answer::decode(&vec![0; limits::FRAME + 1]), Err(FrameError::TooLarge));
    assert_eq!(Answer::decode(&vec![0; limits::FRAME]), Err(FrameError::Magic));
}

/// The same frame with its body changed by hand.
fn edited(frame: &[u8], edit: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut body = frame[limits::HEADER..].to_vec();
    edit(&mut body);
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    [&frame[..5], &length, &body].concat()
}

#[test]
fn a_field_that_is_missing_twice_out_of_place_or_unknown_is_refused_by_its_tag() {
    let frame = answer().encode().unwrap();
    // Field 3 stands after field 1 (19 bytes) and field 2 (8 bytes).
    let third = 27..27 + 7;
    assert_eq!(
        Answer::decode(&edited(&frame, |body| drop(body.drain(third.clone())))),
        Err(FrameError::Field(3))
    );
    let twice = edited(&frame, |body| {
        let field = body[third.clone()].to_vec();
        body.splice(third.end..third.end, field);
    });
    assert!(Answer::decode(&twice).is_err());
    assert_eq!(Answer::decode(&edited(&frame, |body| body.extend([13, 0, 0]))), Err(FrameError::Unknown(13)));
    assert_eq!(Answer::decode(&edited(&frame, |body| body[0] = 2)), Err(FrameError::Field(1)));
}

#[test]
fn only_the_two_verdicts_are_verdicts() {
    let frame = answer().encode().unwrap();
    let at = frame.iter().position(|byte| *byte == 0xA5).unwrap();
    for byte in 0..=255u8 {
        let mut frame = frame.clone();
        frame[at] = byte;
        let verdict = Answer::decode(&frame).map(|answer| answer.verdict);
        match byte {
            0xA5 => assert_eq!(verdict, Ok(Verdict::Allow)),
            0x5A => assert_eq!(verdict, Ok(Verdict::Deny)),
            _ => assert_eq!(verdict, Err(FrameError::Field(4)), "{byte:x}"),
        }
    }
}

#[test]
fn other_magic_other_versions_and_other_kinds_are_refused() {
    let frame = question().encode().unwrap();
    let with = |at: usize, byte: u8| {
        let mut frame = frame.clone();
        frame[at] = byte;
        Question::decode(&frame)
    };
    for at in 0..4 {
        assert_eq!(with(at, b'x'), Err(FrameError::Magic));
    }
    for version in (0..=255).filter(|version| *version != VERSION) {
        assert_eq!(with(4, version), Err(FrameError::Version(version)));
    }
    assert_eq!(Answer::decode(&frame), Err(FrameError::Magic));
    assert_eq!(Question::decode(&answer().encode().unwrap()), Err(FrameError::Magic));
}

#[test]
fn every_field_has_its_most() {
    let long = |most: usize| vec![b'a'; most + 1];
    for (tag, question) in [
        (3, Question { service: long(limits::NAME), ..question() }),
        (4, Question { subject: long(limits::NAME), ..question() }),
        (5, Question { target: long(limits::NAME), ..question() }),
        (6, Question { rhost: long(limits::RHOST), ..question() }),
        (7, Question { address: long(limits::ADDRESS), ..question() }),
        (8, Question { tty: long(limits::NAME), ..question() }),
        (17, Question { wish: Wish { reason: long(limits::TEXT), ..wish() }, ..question() }),
        (18, Question { wish: Wish { length: long(limits::CODE), ..wish() }, ..question() }),
        (19, Question { wish: Wish { ticket: long(limits::TICKET), ..wish() }, ..question() }),
    ] {
        assert_eq!(question.encode(), Err(FrameError::Field(tag)));
    }
    for (tag, answer) in [
        (5, Answer { reason: long(limits::CODE), ..answer() }),
        (6, Answer { grant: long(limits::CODE), ..answer() }),
        (8, Answer { line: long(limits::LINE), ..answer() }),
        (8, Answer { line: vec![b'a'; 70_000], ..answer() }),
        (10, Answer { offer: Offer::Ask { length: long(limits::CODE), ticket: Vec::new() }, ..answer() }),
        (11, Answer { offer: Offer::Ask { length: vec![b'a'], ticket: long(limits::TICKET) }, ..answer() }),
        (12, Answer { offer: Offer::Wait { request: long(limits::CODE) }, ..answer() }),
    ] {
        assert_eq!(answer.encode(), Err(FrameError::Field(tag)));
    }
    let widest = Question {
        service: vec![b'a'; limits::NAME],
        subject: vec![b'a'; limits::NAME],
        target: vec![b'a'; limits::NAME],
        rhost: vec![b'a'; limits::RHOST],
        address: vec![b'a'; limits::ADDRESS],
        tty: vec![b'a'; limits::NAME],
        phase: Phase::Ask,
        wish: Wish {
            reason: vec![b'a'; limits::TEXT],
            length: vec![b'a'; limits::CODE],
            ticket: vec![b'a'; limits::TICKET],
        },
        ..question()
    };
    let bytes = widest.encode().unwrap();
    assert!(bytes.len() <= limits::FRAME);
    assert_eq!(Question::decode(&bytes), Ok(widest));
    // A reader of too long a field refuses too, whoever wrote it.
    let frame = answer().encode().unwrap();
    let stretched = edited(&frame, |body| {
        // The line is empty, and after it come the offer's four fields.
        let at = body.len() - 3 - (4 + 3 + 3 + 3);
        body.truncate(at);
        body.extend([8, 1, 225]);
        body.extend(vec![b'a'; limits::LINE + 1]);
    });
    assert_eq!(Answer::decode(&stretched), Err(FrameError::Field(8)));
    assert_eq!(
        Answer::decode(&Answer { reason: Vec::new(), ..answer() }.encode().unwrap()),
        Err(FrameError::Field(5))
    );
}

#[test]
fn an_answer_answers_its_own_question_only() {
    let asked = question();
    assert_eq!(answer().to(&asked), Ok(answer()));
    for other in [
        Answer { nonce: [0; 16], ..answer() },
        Answer { subject: b"bob".to_vec(), ..answer() },
        Answer { service: b"sudo".to_vec(), ..answer() },
    ] {
        assert_eq!(other.to(&asked), Err(FrameError::NotMine));
    }
}

#[test]
fn a_header_tells_how_long_its_frame_is_and_lies_are_refused() {
    let bytes = question().encode().unwrap();
    let header: [u8; limits::HEADER] = bytes[..limits::HEADER].try_into().unwrap();
    assert_eq!(frame_length(header), Ok(bytes.len()));
    let most = u16::try_from(limits::FRAME - limits::HEADER).unwrap();
    let with = |length: u16| {
        let [high, low] = length.to_be_bytes();
        frame_length([0, 0, 0, 0, 0, high, low])
    };
    assert_eq!(with(most), Ok(limits::FRAME));
    assert_eq!(with(most + 1), Err(FrameError::TooLarge));
}

#[test]
fn errors_say_what_was_wrong() {
    for (error, said) in [
        (FrameError::Length, "another length"),
        (FrameError::Magic, "not a frame"),
        (FrameError::Version(9), "frame version 9, this build speaks 1 to 1"),
        (FrameError::Field(4), "field 4"),
        (FrameError::Unknown(9), "unknown field 9"),
        (FrameError::TooLarge, "4096 bytes"),
        (FrameError::NotMine, "another question"),
    ] {
        assert!(error.to_string().contains(said), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2048, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_decodes_is_the_one_encoding_of_what_it_says(
        bytes in prop::collection::vec(any::<u8>(), 0..64), at in 0usize..150, byte: u8, of_answer: bool,
    ) {
        let _ = (Question::decode(&bytes), Answer::decode(&bytes));
        let mut frame = if of_answer { answer().encode().unwrap() } else { question().encode().unwrap() };
        let at = at % frame.len();
        frame[at] = byte;
        if let Ok(question) = Question::decode(&frame) {
            prop_assert_eq!(question.encode().unwrap(), frame.clone());
        }
        if let Ok(answer) = Answer::decode(&frame) {
            prop_assert_eq!(answer.encode().unwrap(), frame);
        }
    }
}
