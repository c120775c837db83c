//! The policy of a host: put in force as its root does, from files.

use crate::host::Host;
use anyhow::{Context as _, Result};

impl Host {
    /// Puts this policy in force, over these people or those of the local system, and gives back what root was
    /// told.
    pub fn policy(&self, policy: &str, people: Option<&str>) -> Result<crate::Seen> {
        std::fs::write(self.path("etc/jitd/policy.toml"), policy).context("writing policy.toml")?;
        let file = self.path("etc/jitd/people.toml");
        match people {
            Some(people) => std::fs::write(&file, people).context("writing people.toml")?,
            None if file.exists() => std::fs::remove_file(&file).context("removing people.toml")?,
            None => {}
        }
        let applied = self.root("jit policy apply");
        anyhow::ensure!(applied.code == 0, "applying the policy: {applied:#?}");
        Ok(applied)
    }

    /// An example as the package ships it, with what a story must change: days, hours and addresses.
    pub fn example(&self, name: &str, changes: &[(&str, &str)]) -> Result<String> {
        let file = self.path(&format!("usr/share/doc/jitd/examples/{name}.toml"));
        let mut text =
            std::fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
        for (from, to) in changes {
            anyhow::ensure!(text.contains(from), "{name}.toml does not say {from:?}");
            text = text.replace(from, to);
        }
        Ok(text)
    }

    /// A day or instant of the host's clock, as `date` writes it.
    pub fn date(&self, when: &str, format: &str) -> String {
        self.root(&format!("LC_ALL=C date -u -d '{when}' '+{format}'")).out.trim().to_owned()
    }
}
