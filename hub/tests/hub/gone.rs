//! Who was taken out of people.toml, and what they still have.

use crate::room::{Hub, PEOPLE, POLICY};
use crate::web::{Browser, OWN};
use api::{NewPolicy, Role, Roles, Scope};

#[test]
fn who_is_taken_out_of_people_toml_is_named_until_roles_and_tokens_are_taken_away() {
    let hub = Hub::with_policy();
    let admin = hub.client(&hub.admin);
    let carol = access::Person::parse("carol").unwrap();
    let roles = |person: &str, roles: &[Role]| {
        let person = access::Person::parse(person).unwrap();
        admin.set_roles(&Roles { person, roles: roles.iter().copied().collect() }).unwrap();
    };
    let token = hub.token(carol.as_str(), &[Scope::Read], "1h");
    roles("carol", &[Role::Auditor]);
    roles("bob", &[Role::Auditor]);
    let said = |secret: &str| hub.client(secret).status().unwrap().warnings.join("\n");
    assert!(!said(&hub.admin).contains("carol ("), "{}", said(&hub.admin));

    let people = PEOPLE.replace("[carol]\ngroups = [\"leads\"]\n", "");
    assert_ne!(people, PEOPLE);
    let new = NewPolicy { policy: POLICY.to_owned(), people: Some(people), no_people: false };
    let findings = admin.apply_policy(&new).unwrap().findings.join("\n");
    for said in [findings, said(&hub.admin)] {
        assert!(said.contains("carol (auditor, 1 token), who is in no people.toml, keeps"), "{said}");
        assert!(said.contains("`jit role set PERSON`") && said.contains("`jit token revoke ID`"), "{said}");
        assert!(!said.contains("admin ("), "who reads it knows of themself: {said}");
    }
    let bob = said(&hub.token("bob", &[Scope::Read], "1h").secret);
    assert!(bob.contains("admin (admin, 2 tokens), carol (auditor, 1 token), who are"), "{bob}");
    let alice = said(&hub.token("alice", &[Scope::Read], "1h").secret);
    assert!(!alice.contains("carol ("), "that is not for everybody: {alice}");

    roles("carol", &[]);
    assert!(said(&hub.admin).contains("carol (1 token)"), "{}", said(&hub.admin));
    admin.revoke_token(&token.token.id.to_string()).unwrap();
    assert!(!said(&hub.admin).contains("carol ("), "{}", said(&hub.admin));

    hub.sql(
        "INSERT INTO teams_account (tenant, account, person, name, chat, linked_ms, seq) \
         VALUES ('slack/T0JIT', 'U0CAROL', 'carol', 'carol', '', 0, 1)",
    );
    let left = said(&hub.admin);
    assert!(left.contains("carol (1 chat account), who is") && left.contains("the page Chats"), "{left}");
    let browser = Browser::of(&hub, "admin");
    let page = browser.get("/web/teams");
    assert!(page.has("U0CAROL") && page.has("listens to no chat now"), "{}", page.0);
    let fields = ["csrf", "tenant", "account"].map(|name| (name, page.field(name)));
    assert_eq!(browser.send("/web/teams/unlink", OWN, &fields).status(), "303");
    assert!(!said(&hub.admin).contains("carol ("), "{}", said(&hub.admin));
}
