//! The register as a text: `gateways.toml`, format 1.

use painwatch_domain::{GatewayId, TenantId};
use serde::{Deserialize, Serialize};

use super::{Digest, Entry, Grant, Kind, Registry};
use crate::principal::GatewayPrincipal;

const FORMAT: u32 = 1;
const HEADER: &str =
    "# Gateways and the digests of what lets them in. Written by `painwatch gateway`; it holds no secret.\n";

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct FileForm {
    format: u32,
    #[serde(default)]
    gateway: Vec<GatewayForm>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct GatewayForm {
    tenant: String,
    id: String,
    added_ms: i64,
    revoked_ms: Option<i64>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    may_order: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    grant: Vec<GrantForm>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct GrantForm {
    kind: String,
    sha256: String,
    from_ms: i64,
    until_ms: Option<i64>,
    revoked_ms: Option<i64>,
}

impl Registry {
    /// Reads back what [`Registry::to_toml`] wrote.
    ///
    /// # Errors
    /// What is wrong with it, in words; never a line of it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let form: FileForm = toml::from_str(text).map_err(|error| error.message().to_owned())?;
        if form.format != FORMAT {
            return Err(format!("format {} is not known here, only {FORMAT}", form.format));
        }
        let mut registry = Self::default();
        for gateway in form.gateway {
            registry.take(gateway)?;
        }
        Ok(registry)
    }

    fn take(&mut self, form: GatewayForm) -> Result<(), String> {
        let tenant = TenantId::parse(&form.tenant).map_err(|error| format!("tenant: {error}"))?;
        let gateway = GatewayId::parse(&form.id).map_err(|error| format!("gateway: {error}"))?;
        let who = GatewayPrincipal { tenant, gateway };
        let grants = form.grant.into_iter().map(grant_of).collect::<Result<Vec<_>, _>>()?;
        for grant in &grants {
            if self.holders.insert((grant.kind, grant.digest), who.clone()).is_some() {
                return Err(format!("gateway {}: {} {} stands twice", who.gateway, grant.kind.as_str(), grant.name()));
            }
        }
        let entry = Entry { added_ms: form.added_ms, revoked_ms: form.revoked_ms, may_order: form.may_order, grants };
        match self.gateways.insert(who.clone(), entry) {
            None => Ok(()),
            Some(_) => Err(format!("gateway {} of tenant {} stands twice", who.gateway, who.tenant)),
        }
    }

    /// # Errors
    /// Only what the serialiser cannot write, which is nothing of this form.
    pub fn to_toml(&self) -> Result<String, String> {
        let gateway = self.gateways.iter().map(|(who, entry)| GatewayForm {
            tenant: who.tenant.to_string(),
            id: who.gateway.to_string(),
            added_ms: entry.added_ms,
            revoked_ms: entry.revoked_ms,
            may_order: entry.may_order,
            grant: entry.grants.iter().map(form_of).collect(),
        });
        let form = FileForm { format: FORMAT, gateway: gateway.collect() };
        toml::to_string(&form).map(|text| format!("{HEADER}{text}")).map_err(|error| error.to_string())
    }
}

fn form_of(grant: &Grant) -> GrantForm {
    GrantForm {
        kind: grant.kind.as_str().to_owned(),
        sha256: hex::encode(grant.digest),
        from_ms: grant.from_ms,
        until_ms: grant.until_ms,
        revoked_ms: grant.revoked_ms,
    }
}

fn grant_of(form: GrantForm) -> Result<Grant, String> {
    let kind = Kind::ALL.into_iter().find(|kind| kind.as_str() == form.kind);
    let kind = kind.ok_or_else(|| format!("{:?} is no kind of grant", form.kind))?;
    let bytes = hex::decode(&form.sha256).ok();
    let digest = bytes.and_then(|bytes| Digest::try_from(bytes).ok()).ok_or("a digest has 64 hexadecimal digits")?;
    Ok(Grant { kind, digest, from_ms: form.from_ms, until_ms: form.until_ms, revoked_ms: form.revoked_ms })
}
