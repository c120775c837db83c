//! `jit-hub teams check`: all that can be known without anybody's click, one step after the other.

use super::address::Base;
use super::{Teams, limits, rows};
use crate::config::Config;
use crate::error::HubError;
use crate::{say, serve};

/// The configuration names no bot.
pub fn no_bot() -> HubError {
    HubError::Teams(
        "there is no [teams] in hub.toml: docs/teams.md says how to register a bot, and what to write there"
            .to_owned(),
    )
}

/// What a step found.
type Found = Result<String, String>;

/// Looks at each step, and goes on where one fails as far as the next does not need it.
pub fn check(config: &Config) -> Result<(), HubError> {
    let settings = config.teams.as_ref().ok_or_else(no_bot)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(crate::error::os("starting the runtime"))?;
    let mut failed = 0;
    let mut told = |step: &str, found: Found, fix: &str| match found {
        Ok(what) => say(&format!("ok    {step}: {what}")),
        Err(why) => {
            failed += 1;
            say(&format!("FAIL  {step}: {why}\n      {fix}"));
        }
    };
    told(
        "the secret",
        settings
            .read_secret()
            .map(|_| format!("{} is readable by its owner alone", settings.secret.display())),
        "in Azure: App registrations, the bot's, Certificates & secrets, New client secret; copy its Value into that file, and chmod 0600",
    );
    let teams = Teams::new(settings)?;
    if settings.read_secret().is_ok() {
        told(
            "a token for calls to Teams",
            runtime
                .block_on(teams.connector.try_token())
                .map(|life| format!("granted, good for {} min", life.as_secs() / 60)),
            "tenant, app_id and the secret belong together: compare them with the overview of the app registration, and make \
             another secret where this one is over; the machine must reach login.microsoftonline.com",
        );
    }
    let keys = runtime.block_on(teams.keys.look()).and_then(|(all, ours)| match ours {
        0 => Err(format!("of {all} keys none is endorsed for Teams")),
        _ => Ok(format!("{ours} of {all} keys are endorsed for Teams")),
    });
    told("the keys that Microsoft signs by", keys, "the machine must reach login.botframework.com");
    let url = serve::url(config);
    told(
        "the address that Microsoft calls",
        runtime.block_on(is_called(&url)),
        "in Azure: the bot's Configuration, Messaging endpoint, is that address; it must be reachable from the internet by a \
         certificate that everybody believes, and a proxy before the hub must pass /teams/messages on to it",
    );
    told(
        "where the bot is",
        serve::look_at(config, |sql| rows::counts(sql, &settings.tenant)).map_err(|why| why.to_string()).and_then(
            |(places, listening, accounts)| match places {
                0 => Err("nobody has said anything to it yet".to_owned()),
                _ => Ok(format!(
                    "{places} chats and channels, {listening} of which hear of every request; {accounts} accounts are linked"
                )),
            },
        ),
        "upload the package (`jit-hub teams manifest jit.zip`) in the Teams admin centre, add the app to a team or to yourself, and \
         say help to it",
    );
    match failed {
        0 => Ok(()),
        1 => Err(HubError::Teams("one step failed: do what it says, and check again".to_owned())),
        many => Err(HubError::Teams(format!(
            "{many} steps failed: do what the first of them says, and check again"
        ))),
    }
}

/// Whether the hub answers there as it answers to somebody without a token. From outside it can still be another.
async fn is_called(url: &str) -> Found {
    let at = Base::parse(url)?.below(&["teams", "messages"]);
    let http = super::http::client()?;
    let call = http.post(at.clone()).timeout(limits::CONNECT).body("{}");
    let answer = call.send().await.map_err(|why| format!("calling {at}: {}", super::http::chain(&why)))?;
    let status = answer.status().as_u16();
    let said = super::http::body(answer).await.unwrap_or_default();
    match status {
        403 if String::from_utf8_lossy(&said).contains("what came from Teams is not believed") => {
            Ok(format!("{at} answers, and refuses who shows no token"))
        }
        403 => Err(format!("{at} is refused before it comes to the hub")),
        other => Err(format!("{at} answered {other}, where it refuses with 403")),
    }
}
