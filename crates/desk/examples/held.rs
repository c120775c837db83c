//! Puts COUNT more grants into the store of a daemon that is stopped, EACH of them for one person: copies of the
//! one that is there. `cargo run --release -p desk --example held -- FILE COUNT EACH`.
#![allow(clippy::unwrap_used)] // a program for figures

use access::{Grant, GrantId, Login, Person, Set};
use store::{File, Options, Sql};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().unwrap().into();
    let mut number = || arguments.next().unwrap().parse::<u64>().unwrap();
    let (count, each) = (number(), number());
    let file = File::open(Options { path, max_bytes: 16 << 30, tables: "" }, |_| unreachable!()).unwrap();
    let sql: &dyn Sql = file.connection();
    let (body, seq): (String, u64) = sql.row("SELECT body, seq FROM grants", &[]).unwrap().unwrap();
    let there: Grant = serde_json::from_str(&body).unwrap();
    sql.batch("BEGIN").unwrap();
    for number in 0..count {
        let name = format!("p{}", number / each);
        let logins = Set::from([Login::parse(&name).unwrap()]);
        let other = Grant {
            id: GrantId::from_random((number + 1) << 20),
            person: Person::parse(&name).unwrap(),
            names: logins.clone(),
            logins,
            ..there.clone()
        };
        if other.id != there.id {
            desk::keep_grant(sql, &other, false, seq).unwrap();
        }
    }
    sql.batch("COMMIT").unwrap();
}
