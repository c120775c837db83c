//! Linking an account, what can be typed, and the two commands.

use super::double::{APP, Account, Double, hub_of, linked, soon};
use crate::room::{Hub, PEOPLE, POLICY, text};
use crate::web::Browser;
use serde_json::{Value, json};
use std::process::Command;

fn room() -> (Hub, Double) {
    hub_of(POLICY, PEOPLE)
}

/// The code that a page shows.
fn code(browser: &Browser<'_>) -> String {
    let made = browser.fill(&browser.get("/web/teams"), "/web/teams/code", &[]);
    let after = made.0.split("<code>link ").nth(1).unwrap_or_else(|| panic!("{}", made.0));
    after.split('<').next().unwrap().to_owned()
}

#[test]
fn an_account_is_linked_by_a_code_that_it_says_and_its_person_confirms() {
    let (hub, double) = room();
    let (account, bob) = (Account::named("bob"), Browser::of(&hub, "bob"));
    double.asks("place", &json!({"id": account.personal(), "type": "personal"}));
    assert!(double.hears(&account.personal(), &account, "list").contains("do not know whose account"));
    assert!(double.hears(&account.personal(), &account, "link 00000-00000").contains("is not valid"));
    let code = code(&bob);
    assert!(
        double
            .hears(&account.personal(), &account, &format!("link {}", code.to_lowercase()))
            .contains("Now confirm")
    );
    assert!(
        double.hears(&account.personal(), &account, "list").contains("do not know"),
        "not before it is confirmed"
    );
    // Nobody else can say the same code any more.
    let mallory = Account::named("mallory");
    double.asks("place", &json!({"id": mallory.personal(), "type": "personal"}));
    assert!(double.hears(&mallory.personal(), &mallory, &format!("link {code}")).contains("is not valid"));
    let page = bob.get("/web/teams");
    assert!(
        page.has("An account said your code: <strong>bob</strong>") && page.has(&account.id),
        "{}",
        page.0
    );
    let other = Browser::of(&hub, "carol");
    assert!(!other.get("/web/teams").has("said your code"));
    let stolen = other.send(
        "/web/teams/link",
        crate::web::OWN,
        &[("csrf", other.get("/web/teams").field("csrf")), ("code", page.field("code"))],
    );
    assert_eq!(stolen.status(), "400", "{}", stolen.0);
    let done = bob.send(
        "/web/teams/link",
        crate::web::OWN,
        &[("csrf", page.field("csrf")), ("code", page.field("code"))],
    );
    assert_eq!(done.status(), "303", "{}", done.0);
    assert!(double.hears(&account.personal(), &account, "list").contains("**Waiting for you**: nothing"));
    hub.logs("mark=teams_linked");
    let again = bob.send(
        "/web/teams/link",
        crate::web::OWN,
        &[("csrf", page.field("csrf")), ("code", page.field("code"))],
    );
    assert_eq!(again.status(), "400", "once");
    let page = bob.get("/web/teams");
    let gone = bob.send(
        "/web/teams/unlink",
        crate::web::OWN,
        &[("csrf", page.field("csrf")), ("tenant", page.field("tenant")), ("account", page.field("account"))],
    );
    assert_eq!(gone.status(), "303", "{}", gone.0);
    assert!(double.hears(&account.personal(), &account, "list").contains("do not know whose account"));
    hub.logs("mark=teams_unlinked");
}

#[test]
fn an_account_is_one_persons_and_a_code_is_said_where_nobody_reads_it() {
    let (hub, double) = room();
    let bob = linked(&hub, &double, "bob");
    let carol = Browser::of(&hub, "carol");
    let code = code(&carol);
    double.asks("place", &json!({"id": "19:ops@thread.tacv2", "type": "channel"}));
    assert!(double.hears("19:ops@thread.tacv2", &bob, &format!("link {code}")).contains("to me alone"));
    assert!(double.hears(&bob.personal(), &bob, &format!("link {code}")).contains("Now confirm"));
    let page = carol.get("/web/teams");
    let taken = carol.send(
        "/web/teams/link",
        crate::web::OWN,
        &[("csrf", page.field("csrf")), ("code", page.field("code"))],
    );
    assert!(taken.status() == "403" && taken.has("an administrator take it away first"), "{}", taken.0);
    let page = carol.get("/web/teams");
    let others = carol.send(
        "/web/teams/unlink",
        crate::web::OWN,
        &[("csrf", page.field("csrf")), ("tenant", super::double::TENANT), ("account", &bob.id)],
    );
    assert_eq!(others.status(), "400", "{}", others.0);
    assert!(double.hears(&bob.personal(), &bob, "status").contains("You hold no grant"));
}

#[test]
fn one_asks_and_looks_by_typing() {
    let (hub, double) = room();
    let (alice, bob) = (linked(&hub, &double, "alice"), linked(&hub, &double, "bob"));
    let said = |text: &str| double.hears(&alice.personal(), &alice, text);
    assert!(said("help").contains("**request**") && said("what").contains("I do not know **what**"));
    assert!(said("request ssh on db-1").contains("there is no reason"));
    assert!(said("request ssh on web-9 because x").contains("no host web"), "the desk's own words");
    let asked = said("<at>jit</at> request ssh,sudo on db-1 for 2h because the *disk* is full");
    assert!(asked.starts_with("Asked: [R-") && asked.contains("bob or carol can approve it"), "{asked}");
    let id: String = asked.split('[').nth(1).unwrap().split(']').next().unwrap().to_owned();
    assert!(said("request ssh,sudo on db-1 for 2h because again").contains("You asked for that already"));
    assert!(said("list").contains(&id));
    assert!(double.hears(&bob.personal(), &bob, "list").contains(&format!("[{id}]")));
    let (message, card) = double.card(&bob.personal(), &id);
    assert!(card.to_string().contains("the \\\\*disk\\\\* is full"), "{card}");
    double.click(&json!({"message": message, "verb": "approve", "from": bob.of()}));
    // What she is told of it by itself may come in between.
    soon("what she holds", || said("status").contains("active, until"));
    let view = hub.client(&hub.admin).show_request(&id).unwrap();
    assert_eq!(view.ask.channel, workflow::Channel::Teams);
}

#[test]
fn the_package_is_one_that_teams_takes() {
    let (hub, _double) = room();
    let file = hub.path("jit.zip");
    let made = hub.command("teams").arg("manifest").arg(&file).output().unwrap();
    assert!(made.status.success(), "{}", text(&made.stderr));
    let read = "import json,sys,zipfile\nz=zipfile.ZipFile(sys.argv[1])\nassert z.testzip() is None\n\
                print(json.dumps({'names': z.namelist(), 'manifest': json.loads(z.read('manifest.json'))}))";
    let output = Command::new("python3").args(["-c", read]).arg(&file).output().unwrap();
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["names"], json!(["manifest.json", "color.png", "outline.png"]));
    assert_eq!(
        (&found["manifest"]["id"], &found["manifest"]["bots"][0]["botId"]),
        (&json!(APP), &json!(APP))
    );
    let again = hub.command("teams").arg("manifest").arg(&file).output().unwrap();
    assert!(!again.status.success() && text(&again.stderr).contains("exists"), "{}", text(&again.stderr));
}

#[test]
fn the_check_says_which_step_fails_and_what_to_do() {
    let (mut hub, double) = room();
    // From here on its address has the port that it got.
    hub.stay();
    let ca = hub.path("state/ca.crt");
    let check_trusting = |hub: &Hub, ca: &std::path::Path| {
        let done = hub.command("teams").arg("check").env("SSL_CERT_FILE", ca).output().unwrap();
        (done.status.success(), text(&done.stderr))
    };
    let check = || check_trusting(&hub, &ca);
    let (good, said) = check();
    assert!(!good && said.contains("one step failed"), "{said}");
    for line in [
        "ok    the secret:",
        "ok    a token for calls to Teams: granted",
        "ok    the keys that Microsoft signs by: 1 of 2",
        "ok    the address that Microsoft calls: https://localhost:",
        "FAIL  where the bot is: nobody",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    linked(&hub, &double, "bob");
    soon("it was heard of", || check().1.contains("ok    where the bot is: 1 chats and channels"));
    let (good, said) = check();
    assert!(good && !said.contains("FAIL"), "{said}");
    let nobodys = hub.path("nobody.crt");
    std::fs::write(&nobodys, "").unwrap();
    let (good, said) = check_trusting(&hub, &nobodys);
    assert!(!good && said.contains("FAIL  the address that Microsoft calls"), "{said}");
    double.asks("secret", &json!({"secret": "another"}));
    let (good, said) = check();
    assert!(
        !good && said.contains("FAIL  a token for calls to Teams") && said.contains("AADSTS7000215"),
        "{said}"
    );
    assert!(!said.contains("s3cret"), "{said}");
    let path = double.secret();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let (good, said) = check();
    assert!(!good && said.contains("FAIL  the secret") && said.contains("chmod 0600"), "{said}");
    hub.signal(rustix::process::Signal::TERM);
    assert!(hub.ends());
    let (_, said) = check_trusting(&hub, &ca);
    assert!(said.contains("FAIL  the address that Microsoft calls"), "{said}");
}
