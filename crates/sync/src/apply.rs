//! From what a host knows, by a message, to what it knows then.

use crate::{
    Body, Digest, Entry, Envelope, Held, HeldPermit, Kind, Known, KnownPermit, Manifest, Message, Part,
    Permit, PublicKey, Rejected, Served, State, View, limits, whole_with,
};
use access::{Grant, GrantId, Time, is_plausible};
use std::collections::BTreeMap;

/// The host's clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalTime {
    /// The anchor and what `CLOCK_BOOTTIME` counted since: no signed time is in it, so that none can creep.
    pub own: Time,
    /// The latest it could be; keys end by it.
    pub latest: Time,
}

/// A message that was believed whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// What the host knows now: to be written in one durable transaction, then used, then acknowledged.
    pub state: State,
    /// How its grants differ from before: nothing else in [`State::grants`] changed.
    pub changes: Vec<Change>,
    /// Whether its permits are others than before.
    pub permits: bool,
    /// What somebody should look at, though the rest is good.
    pub alarms: Vec<Alarm>,
    /// When the hub signed it, by its own clock.
    pub signed_at: Time,
}

/// What became of one grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is to be honoured, or a higher version of it.
    Put(GrantId),
    /// It is no longer to be honoured, and is remembered.
    Removed(GrantId),
    /// It is long over, and forgotten.
    Forgotten(GrantId),
}

/// What is not believed of a message whose rest is. Such a grant is not honoured in any version.
///
/// The rest is taken in because refusing it would let a stolen grant key shut a host off for good: after the
/// rotation the hub goes on listing what the thief overtook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)] // the text of each says what its fields are
pub enum Alarm {
    #[error(
        "the view was signed at {signed}, ahead of this host's clock by more than 10 minutes ({own}): not counted"
    )]
    TimeAhead { signed: Time, own: Time },
    #[error(
        "grant {id} is listed in version {listed}, this host applied {seen}: the hub lost commits, or a thief"
    )]
    LowerVersion { id: GrantId, listed: u32, seen: u32 },
    #[error("grant {id} has two bodies of version {version}: the hub lost commits, or a grant key is stolen")]
    OtherBody { id: GrantId, version: u32 },
    #[error("grant {id} was ended, and version {version} says it was not: ended it stays")]
    EndTakenBack { id: GrantId, version: u32 },
}

impl Alarm {
    /// The name in logs and metrics.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TimeAhead { .. } => "time_ahead",
            Self::LowerVersion { .. } => "lower_version",
            Self::OtherBody { .. } => "other_body",
            Self::EndTakenBack { .. } => "end_taken_back",
        }
    }

    /// The grant that it is about.
    pub const fn grant(&self) -> Option<GrantId> {
        match self {
            Self::TimeAhead { .. } => None,
            Self::LowerVersion { id, .. } | Self::OtherBody { id, .. } | Self::EndTakenBack { id, .. } => {
                Some(*id)
            }
        }
    }
}

/// What a host in `state` knows after these bytes, if it believes all of them.
pub fn apply(state: &State, bytes: &[u8], now: LocalTime) -> Result<Applied, Rejected> {
    let message = Message::parse(bytes)?;
    let manifest = manifest(state, &message, now)?;
    let view = view(state, &manifest, &message.view)?;
    let bodies = bodies(state, &manifest, &view, &message.bodies)?;
    let came = permits(state, &manifest, &view, &message.permits)?;
    let served = serve(state.served.as_ref(), manifest, &view, now);

    let mut alarms = Vec::new();
    if view.issued_at - now.own > limits::SKEW {
        alarms.push(Alarm::TimeAhead { signed: view.issued_at, own: now.own });
    }
    let mut grants = BTreeMap::new();
    for entry in &view.grants {
        let before = state.grants.get(&entry.id);
        let (known, alarm) = take(entry, before, bodies.get(&entry.id), &served.manifest.grant_keys)?;
        alarms.extend(alarm);
        grants.insert(entry.id, known);
    }
    for (id, known) in &state.grants {
        if served.as_of < known.until {
            grants.entry(*id).or_insert_with(|| Known { held: None, ..known.clone() });
        }
    }
    if grants.len() > limits::KNOWN {
        return Err(Rejected::TooMany { found: grants.len(), limit: limits::KNOWN });
    }
    let changes = changes(&state.grants, &grants);
    let (permits, taken_back) = known_permits(state, &served, &view, &came)?;
    alarms.extend(taken_back);
    let root = served.manifest.roots.fingerprint();
    let differ = permits != state.permits;
    let (hub, host) = (state.hub.clone(), state.host.clone());
    let state = State { hub, root, host, served: Some(served), grants, permits };
    Ok(Applied { state, changes, permits: differ, alarms, signed_at: view.issued_at })
}

/// The manifest to go by: the one held, or one that comes with the message and follows it.
fn manifest(state: &State, message: &Message, now: LocalTime) -> Result<Manifest, Rejected> {
    let held = state.served.as_ref().map(|served| &served.manifest);
    let given = message.manifest.as_ref().map(|signed| signed.verify(&state.root, held)).transpose()?;
    if let Some(found) = given.as_ref().map(|given| &given.hub).filter(|hub| **hub != state.hub) {
        return Err(Rejected::OtherHub {
            part: Part::Manifest,
            found: found.clone(),
            held: state.hub.clone(),
        });
    }
    let manifest = match (given, held) {
        (None, None) => return Err(Rejected::NoManifest),
        (None, Some(held)) => held.clone(),
        (Some(given), Some(held)) if given.era < held.era => {
            return Err(Rejected::ManifestBack { found: given.era, held: held.era });
        }
        (Some(given), Some(held)) if given.era == held.era && !given.renews(held) => {
            return Err(Rejected::ManifestForked { era: given.era });
        }
        // A replica that has not heard of the renewal yet is as good as one that has.
        (Some(given), Some(held)) if given.era == held.era && !is_better(&given, held, now) => held.clone(),
        (Some(given), _) => given,
    };
    match manifest.expires {
        expires if now.latest >= expires => Err(Rejected::ManifestExpired { expires }),
        _ => Ok(manifest),
    }
}

/// Whether a renewal is to be gone by in the place of what it renews: the later of the two, unless it is of a time to come. Those
/// would be believed for as much longer as the signer's clock was ahead; they are gone by only while there is no other.
fn is_better(given: &Manifest, held: &Manifest, now: LocalTime) -> bool {
    let is_to_come = |manifest: &Manifest| manifest.issued_at - now.latest > limits::SKEW;
    match (is_to_come(given), is_to_come(held)) {
        (true, _) => now.latest >= held.expires,
        (false, true) => true,
        (false, false) => given.issued_at >= held.issued_at,
    }
}

/// The view, if it follows what was served before.
fn view(state: &State, manifest: &Manifest, envelope: &Envelope) -> Result<View, Rejected> {
    let signer = envelope.signer(Part::View, Kind::View, &manifest.view_keys);
    signer.map_err(|error| rotated_out(error, state, manifest))?;
    let view: View = envelope.open(Part::View)?;
    view.check().map_err(|why| Rejected::malformed(Part::View, why))?;
    if view.hub != state.hub {
        return Err(Rejected::OtherHub { part: Part::View, found: view.hub, held: state.hub.clone() });
    }
    if view.host != state.host {
        return Err(Rejected::OtherHost { found: view.host, held: state.host.clone() });
    }
    let (era, revision) = (view.era, view.revision);
    if era.incarnation != manifest.era.incarnation {
        return Err(Rejected::OtherIncarnation { found: era.incarnation, held: manifest.era.incarnation });
    }
    if era.epoch < manifest.era.epoch {
        return Err(Rejected::EpochBack { found: era.epoch, held: manifest.era.epoch });
    }
    if era.epoch > manifest.era.epoch {
        return Err(Rejected::EpochAhead { found: era.epoch, held: manifest.era.epoch });
    }
    if view.whole != whole_with(&view.host, &view.grants, &view.permits) {
        return Err(Rejected::NotWhole { revision });
    }
    match state.served.as_ref().filter(|served| served.manifest.era == era) {
        Some(held) if revision < held.revision && view.issued_at <= held.as_of => {
            Err(Rejected::Replayed { found: revision, held: held.revision })
        }
        Some(held) if revision < held.revision => {
            Err(Rejected::RevisionBack { found: revision, held: held.revision })
        }
        Some(held) if revision == held.revision && view.whole != held.whole => {
            Err(Rejected::Forked { revision })
        }
        _ => Ok(view),
    }
}

/// The same error, if an earlier manifest does not explain it better.
fn rotated_out(error: Rejected, state: &State, manifest: &Manifest) -> Rejected {
    let Rejected::UnknownKey { part, keys } = &error else { return error };
    let retired = state.served.as_ref().map(|served| retired(served, manifest)).unwrap_or_default();
    match keys.iter().find(|key| retired.contains(key)) {
        Some(key) => Rejected::RotatedOut { part: *part, key: *key },
        None => error,
    }
}

/// The keys that were believed before and are not under this manifest.
fn retired(held: &Served, manifest: &Manifest) -> Vec<crate::KeyId> {
    let ids =
        |of: &Manifest| of.grant_keys.iter().chain(&of.view_keys).map(PublicKey::id).collect::<Vec<_>>();
    let good = ids(manifest);
    let mut retired: Vec<_> = held.retired.iter().copied().chain(ids(&held.manifest)).collect();
    retired.retain(|key| !good.contains(key));
    retired.drain(..retired.len().saturating_sub(limits::RETIRED));
    retired
}

/// The bodies that came, each of them verified and exactly as the view lists it, also those that the host holds.
///
/// By id and not by digest: a thief of the view key may list one body under two names.
fn bodies(
    state: &State,
    manifest: &Manifest,
    view: &View,
    envelopes: &[Envelope],
) -> Result<BTreeMap<GrantId, Held>, Rejected> {
    let mut bodies = BTreeMap::new();
    for envelope in envelopes {
        let signer = envelope.signer(Part::Body, Kind::Grant, &manifest.grant_keys);
        let signer = signer.map_err(|error| rotated_out(error, state, manifest))?;
        let Body { hub, grant } = envelope.open(Part::Body)?;
        if hub != state.hub {
            return Err(Rejected::OtherHub { part: Part::Body, found: hub, held: state.hub.clone() });
        }
        let id = grant.id;
        let entry = Entry { id, version: grant.version, digest: Digest::of(envelope.payload()) };
        if view.grants.binary_search_by_key(&id, |listed| listed.id).map(|at| view.grants.get(at))
            != Ok(Some(&entry))
        {
            return Err(Rejected::Unlisted { id, version: grant.version });
        }
        if !grant.hosts.contains(&state.host) {
            return Err(Rejected::GrantOfOtherHost { id, host: state.host.clone() });
        }
        if !reckonable(&grant) {
            return Err(Rejected::malformed(Part::Body, "its times cannot be reckoned with"));
        }
        let signature = envelope.signature(&signer);
        let signature = signature.ok_or_else(|| Rejected::malformed(Part::Body, "its signature is gone"))?;
        if bodies.insert(id, Held { grant, signer, signature }).is_some() {
            return Err(Rejected::malformed(Part::Message, "it has a body twice"));
        }
    }
    Ok(bodies)
}

/// The permits that came, each of them verified and exactly as the view lists it.
fn permits(
    state: &State,
    manifest: &Manifest,
    view: &View,
    envelopes: &[Envelope],
) -> Result<BTreeMap<GrantId, KnownPermit>, Rejected> {
    let mut permits = BTreeMap::new();
    for envelope in envelopes {
        let signer = envelope.signer(Part::Permit, Kind::Permit, &manifest.grant_keys);
        let signer = signer.map_err(|error| rotated_out(error, state, manifest))?;
        let permit: Permit = envelope.open(Part::Permit)?;
        permit.check(&state.host).map_err(|why| Rejected::malformed(Part::Permit, why))?;
        let Permit { hub, grant } = permit;
        if hub != state.hub {
            return Err(Rejected::OtherHub { part: Part::Permit, found: hub, held: state.hub.clone() });
        }
        if !reckonable(&grant) {
            return Err(Rejected::malformed(Part::Permit, "its times cannot be reckoned with"));
        }
        let (id, digest) = (grant.id, Digest::of(envelope.payload()));
        if !view.permits.contains(&Entry { id, version: grant.version, digest }) {
            return Err(Rejected::Unlisted { id, version: grant.version });
        }
        let until = grant.window.latest_end() + limits::TOMBSTONE;
        let known = KnownPermit { digest, until, held: Some(HeldPermit { grant, signer }) };
        if permits.insert(id, known).is_some() {
            return Err(Rejected::malformed(Part::Message, "it has a permit twice"));
        }
    }
    Ok(permits)
}

/// What is known of permits after this view, with what is wrong with it: one that was taken back, or that has become a
/// grant, is none any more.
fn known_permits(
    state: &State,
    served: &Served,
    view: &View,
    came: &BTreeMap<GrantId, KnownPermit>,
) -> Result<(BTreeMap<GrantId, KnownPermit>, Vec<Alarm>), Rejected> {
    let gone = |known: &KnownPermit| KnownPermit { held: None, ..known.clone() };
    let (mut permits, mut alarms) = (BTreeMap::new(), Vec::new());
    for Entry { id, version, digest } in &view.permits {
        let before = state.permits.get(id);
        if let Some(known) = before.filter(|known| known.held.is_none() || known.digest != *digest) {
            alarms.push(Alarm::EndTakenBack { id: *id, version: *version });
            permits.insert(*id, gone(known));
            continue;
        }
        let by_good_key = |known: &&KnownPermit| {
            known.held.as_ref().is_some_and(|held| served.manifest.grant_keys.contains(&held.signer))
        };
        let known = came.get(id).or_else(|| before.filter(by_good_key));
        let known = known.ok_or(Rejected::MissingBody { id: *id })?;
        let used = state.grants.contains_key(id) || view.grants.iter().any(|grant| grant.id == *id);
        permits.insert(*id, if used { gone(known) } else { known.clone() });
    }
    for (id, known) in &state.permits {
        if served.as_of < known.until {
            permits.entry(*id).or_insert_with(|| gone(known));
        }
    }
    if permits.len() > limits::KNOWN_PERMITS {
        return Err(Rejected::TooMany { found: permits.len(), limit: limits::KNOWN_PERMITS });
    }
    Ok((permits, alarms))
}

/// Why hosts would refuse a message that has this grant in it, and all else with it.
pub fn fits(grant: &Grant) -> Result<(), &'static str> {
    if !reckonable(grant) {
        return Err("its times are none that hosts can reckon with");
    }
    let size = serde_json::to_vec(grant).map_or(usize::MAX, |body| body.len());
    if size > limits::GRANT - limits::AROUND_GRANT {
        return Err("it is larger than hosts take: have its rule name fewer hosts");
    }
    Ok(())
}

fn reckonable(grant: &Grant) -> bool {
    let ended = grant.ended.iter().map(|ended| ended.at);
    let times = [grant.window.not_before(), grant.window.latest_end(), grant.approved_at];
    let claim = match grant.window {
        access::Window::FirstUse { claim_by, .. } => Some(claim_by),
        access::Window::Approval { .. } => None,
    };
    times.into_iter().chain(claim).chain(ended).all(is_plausible)
}

/// What is known of a listed grant, and what is wrong with it.
fn take(
    entry: &Entry,
    before: Option<&Known>,
    body: Option<&Held>,
    keys: &[PublicKey],
) -> Result<(Known, Option<Alarm>), Rejected> {
    let Entry { id, version, digest } = *entry;
    let hidden = |known: &Known, alarm| Ok((Known { held: None, ..known.clone() }, Some(alarm)));
    match before {
        Some(known) if version < known.version => {
            return hidden(known, Alarm::LowerVersion { id, listed: version, seen: known.version });
        }
        Some(known) if version == known.version && digest != known.digest => {
            return hidden(known, Alarm::OtherBody { id, version });
        }
        _ => {}
    }
    let at_hand = before
        .filter(|known| (known.version, known.digest) == (version, digest))
        .and_then(|known| known.held.as_ref());
    let held = body.or(at_hand.filter(|held| keys.contains(&held.signer)));
    let held = held.cloned().ok_or(Rejected::MissingBody { id })?;
    let ended = held.grant.ended.clone();
    if let Some(known) = before.filter(|known| known.ended.is_some() && ended.is_none()) {
        return hidden(known, Alarm::EndTakenBack { id, version });
    }
    let until = held.grant.window.latest_end() + limits::TOMBSTONE;
    let until = before.map_or(until, |known| until.max(known.until));
    Ok((Known { version, digest, ended, until, held: Some(held) }, None))
}

/// The watermark after this view. What a view key says of time goes no further than the host's own clock, and ends
/// with the era.
fn serve(held: Option<&Served>, manifest: Manifest, view: &View, now: LocalTime) -> Served {
    let counts = (view.issued_at - now.own).abs() <= limits::SKEW;
    let as_of = view.issued_at.min(now.own);
    let served = Served {
        retired: held.map(|held| retired(held, &manifest)).unwrap_or_default(),
        revision: view.revision,
        whole: view.whole,
        as_of,
        fresh_until: as_of + (view.fresh_until - view.issued_at),
        signed_time: counts.then_some(view.issued_at),
        manifest,
    };
    match held.filter(|held| held.manifest.era == view.era) {
        None => served,
        Some(held) => {
            // What was held while the host's clock was further ahead, and has been set right since, is no later than now.
            let later = if held.as_of > as_of && held.as_of <= now.own { held } else { &served };
            let (as_of, fresh_until) = (later.as_of, later.fresh_until);
            let said = held.signed_time.filter(|time| *time - now.own <= limits::SKEW);
            Served { as_of, fresh_until, signed_time: served.signed_time.max(said), ..served }
        }
    }
}

fn changes(before: &BTreeMap<GrantId, Known>, after: &BTreeMap<GrantId, Known>) -> Vec<Change> {
    let gone = before.keys().filter(|id| !after.contains_key(id)).map(|id| Change::Forgotten(*id));
    let differ = after.iter().filter(|(id, known)| before.get(id) != Some(known));
    let differ =
        differ.map(|(id, known)| if known.held.is_some() { Change::Put(*id) } else { Change::Removed(*id) });
    gone.chain(differ).collect()
}
