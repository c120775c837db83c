//! The peers, as Debian packs them: nslcd and SSSD over a local slapd. Their packages rewrite PAM files and
//! nsswitch.conf: nothing of this is for a host that is not thrown away.

use super::NAME;
use anyhow::{Result, ensure};
use testbed::{Host, Progress};

const PACKAGES: &str = "slapd ldap-utils nslcd libpam-ldapd sssd-ldap libpam-sss libnss-sss";

/// Those in the directory beside alice.
const PEOPLE: u32 = 1000;

const ROOT: &str = "dn: olcDatabase={1}mdb,cn=config
changetype: modify
replace: olcRootPW
olcRootPW: secret
";

/// One search for the person and one for whether they may, as those who use it for access have it do.
const NSLCD: &str = "uid nslcd
gid nslcd
uri ldap://127.0.0.1/
base dc=nodomain
pam_authz_search (&(objectClass=posixAccount)(uid=$username))
";

fn sssd() -> String {
    format!(
        "[sssd]
services = nss, pam
domains = directory
[domain/directory]
id_provider = ldap
auth_provider = none
access_provider = simple
simple_allow_users = {NAME}
ldap_uri = ldap://127.0.0.1/
ldap_search_base = dc=nodomain
"
    )
}

fn people() -> String {
    let mut people = "dn: ou=people,dc=nodomain\nobjectClass: organizationalUnit\nou: people\n\n".to_owned();
    let names = std::iter::once(NAME.to_owned()).chain((0..PEOPLE).map(|number| format!("p{number}")));
    for (name, uid) in names.zip(70_000..) {
        people.push_str(&format!(
            "dn: uid={name},ou=people,dc=nodomain\nobjectClass: account\nobjectClass: posixAccount\nuid: {name}\n\
             cn: {name}\nuidNumber: {uid}\ngidNumber: 100\nhomeDirectory: /\n\n"
        ));
    }
    people
}

/// Installs them, fills the directory, and has them go by it.
pub fn install(host: &Host) -> Result<()> {
    let _progress = Progress::begin("installing the peers");
    host.packages(PACKAGES)?;
    std::fs::create_dir_all(host.path("opt/ldap"))?;
    for (file, text) in [
        ("opt/ldap/root", ROOT),
        ("opt/ldap/people", &people()),
        ("etc/nslcd.conf", NSLCD),
        ("etc/sssd/sssd.conf", &sssd()),
    ] {
        std::fs::write(host.path(file), text)?;
    }
    let done = host.root(&format!(
        "set -e; chmod 600 /etc/sssd/sssd.conf
         ldapmodify -Q -Y EXTERNAL -H ldapi:/// -f /opt/ldap/root
         ldapadd -x -D cn=admin,dc=nodomain -w secret -H ldapi:/// -f /opt/ldap/people > /dev/null
         systemctl restart nslcd sssd
         for try in $(seq 50); do getent -s sss passwd {NAME} && exit; sleep 0.2; done; exit 1"
    ));
    ensure!(done.code == 0, "setting up the peers: {done:#?}");
    Ok(())
}
