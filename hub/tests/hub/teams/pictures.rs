//! The very card, as Microsoft's renderer draws it in a browser: nothing runs over its edge, and what people wrote is shown as
//! they wrote it. The pictures are kept beside the other files of the tests, for people to look at.

use super::double::{hub_of, linked, modules};
use crate::room::{PEOPLE, POLICY, text};
use api::{NewRequest, Scope};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a page has to say of itself once it is drawn.
struct Drawn {
    words: String,
    buttons: u64,
    /// By how many pixels something is wider than the card.
    over: u64,
}

fn page(card: &Value, dark: bool, width: u32) -> String {
    let (back, fore, soft, good, warning, attention) = if dark {
        ("#1f1f1f", "#ffffff", "#adadad", "#92c353", "#f8d22a", "#f9526b")
    } else {
        ("#ffffff", "#242424", "#616161", "#237b4b", "#835c00", "#c4314b")
    };
    let colour = |hex: &str| json!({"default": hex, "subtle": soft});
    let style = |back: &str| {
        json!({"backgroundColor": back, "foregroundColors": {
            "default": colour(fore), "good": colour(good), "warning": colour(warning), "attention": colour(attention), "accent": colour("#5b5fc7")
        }})
    };
    let config = json!({
        "supportsInteractivity": true, "fontFamily": "Segoe UI, DejaVu Sans, sans-serif",
        "containerStyles": {"default": style(back), "attention": style(if dark { "#3b1f23" } else { "#fcf4f6" })},
        "actions": {"maxActions": 6, "actionsOrientation": "horizontal", "actionAlignment": "left"}
    });
    let modules = modules().join("node_modules");
    format!(
        "<!doctype html><meta charset=utf-8><title></title>\
         <style>body{{margin:0;background:{back};color:{fore};font-family:'DejaVu Sans',sans-serif}} .ac-textBlock p{{margin:0}} #card{{width:{width}px}}</style>\
         <link rel=stylesheet href='file://{0}/adaptivecards/dist/adaptivecards.css'><div id=card></div>\
         <script src='file://{0}/adaptivecards/dist/adaptivecards.min.js'></script>\
         <script src='file://{0}/markdown-it/dist/markdown-it.min.js'></script>\
         <script>\
         AdaptiveCards.AdaptiveCard.onProcessMarkdown = (text, result) => {{ result.outputHtml = markdownit().render(text); result.didProcess = true; }};\
         const card = new AdaptiveCards.AdaptiveCard(); card.hostConfig = new AdaptiveCards.HostConfig({config});\
         card.parse({card}); const at = document.getElementById('card'); at.appendChild(card.render());\
         const edge = at.getBoundingClientRect().right;\
         const over = Math.max(0, ...[...at.querySelectorAll('*')].map((one) => Math.ceil(one.getBoundingClientRect().right) - edge));\
         const said = {{words: at.innerText, buttons: at.querySelectorAll('button').length, over}};\
         const out = document.createElement('script'); out.type = 'application/json'; out.id = 'said'; out.textContent = JSON.stringify(said).replace(/</g, '\\\\u003c'); document.body.appendChild(out);\
         </script>",
        modules.display()
    )
}

fn pictures() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("teams-pictures");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn drawn(card: &Value, name: &str, dark: bool, width: u32, height: u32) -> Drawn {
    testbed::install(&[("chromium", "chromium")]).unwrap();
    let file = pictures().join(format!("{name}.html"));
    std::fs::write(&file, page(card, dark, width)).unwrap();
    let profile = tempfile::tempdir().unwrap();
    let run = |what: &str| {
        let output = Command::new("chromium")
            .args([
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--hide-scrollbars",
                "--allow-file-access-from-files",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg(format!("--window-size={width},{height}"))
            .arg(what)
            .arg(format!("file://{}", file.display()))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    run(&format!("--screenshot={}", pictures().join(format!("{name}.png")).display()));
    let page = run("--dump-dom");
    let said = page.split("id=\"said\">").nth(1).unwrap_or_else(|| panic!("it was not drawn: {page}"));
    let said: Value = serde_json::from_str(said.split("</script>").next().unwrap()).unwrap();
    Drawn {
        words: said["words"].as_str().unwrap().split_whitespace().collect::<Vec<_>>().join(" "),
        buttons: said["buttons"].as_u64().unwrap(),
        over: said["over"].as_u64().unwrap(),
    }
}

#[test]
fn the_card_is_drawn_as_people_wrote_it_light_dark_and_narrow() {
    let (hub, double) = hub_of(POLICY, PEOPLE);
    let bob = linked(&hub, &double, "bob");
    let client = hub.client(&hub.token("alice", &[Scope::Request, Scope::Read], "1d").secret);
    let asks = |reason: &str, services: &[&str]| {
        let new = NewRequest {
            hosts: [access::HostName::parse("db-1").unwrap()].into(),
            labels: std::collections::BTreeMap::default(),
            services: services.iter().map(|name| access::Service::parse(name).unwrap()).collect(),
            run_as: None,
            length: access::Span::parse("4h").ok(),
            at: None,
            reason: access::Text::parse(reason).unwrap(),
            ticket: access::Text::parse("OPS-4711").ok(),
            user: None,
            break_glass: false,
        };
        client.request(&new).unwrap().request.ask.id.to_string()
    };
    let written = "The disk of **db-1** is full: see [the graph](https://evil.example) & <b>look</b>, \u{5d1}\u{5d3}\u{5d9}\u{5e7}\u{5d4} \
                   \u{645}\u{631}\u{62d}\u{628}\u{627}, {{DATE(2026-01-01T00:00:00Z,SHORT)}}";
    let id = asks(written, &["ssh", "sudo"]);
    let (message, card) = double.card(&bob.personal(), &id);
    for (name, dark, width) in [("light", false, 600), ("dark", true, 600), ("narrow", false, 320)] {
        let drawn = drawn(&card, name, dark, width, 900);
        let plain = written.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(drawn.words.contains(&plain), "{name}: {}", drawn.words);
        assert!(
            drawn.words.contains("alice asks for ssh, sudo as root on db-1 for 4h"),
            "{name}: {}",
            drawn.words
        );
        assert_eq!((drawn.buttons, drawn.over), (3, 0), "{name}: {}", drawn.words);
    }
    let long = "The reason goes on and on, word by word, and nobody stops it. ".repeat(16);
    let id = asks(&long, &["ssh"]);
    let (_, card) = double.card(&bob.personal(), &id);
    let tall = drawn(&card, "long", true, 320, 1600);
    assert!(tall.words.contains(long.trim()) && tall.over == 0, "{}", tall.words);
    let answer = double.click(&json!({"message": message, "verb": "approve", "from": bob.of(), "chosen": {"length": "2h", "comment": "half of it"}}));
    let over = drawn(&answer["body"]["value"], "approved", false, 600, 700);
    assert!(
        over.words.contains("Approved by bob. Active until")
            && over.words.contains("bob approved for 2h, teams"),
        "{}",
        over.words
    );
    assert_eq!((over.buttons, over.over), (1, 0), "{}", over.words);
}
