//! Who may call what: every method that is served, reflection and health included. What is not in the table is not there.

/// What a call has to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Nothing about a gateway, a patient or a reading is said.
    Nothing,
    GatewayToken(Takes),
}

/// What a gateway sends in a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    Batch,
    /// As many as it has, for as long as it likes.
    Batches,
    Question,
}

const METHODS: &[(&str, Needs)] = &[
    ("/painwatch.ingest.v1.Ingest/Submit", Needs::GatewayToken(Takes::Batch)),
    ("/painwatch.ingest.v1.Ingest/Stream", Needs::GatewayToken(Takes::Batches)),
    ("/painwatch.ingest.v1.Ingest/GetVerdict", Needs::GatewayToken(Takes::Question)),
    ("/painwatch.ingest.v1.Ingest/Gaps", Needs::GatewayToken(Takes::Question)),
    ("/grpc.health.v1.Health/Check", Needs::Nothing),
    ("/grpc.health.v1.Health/Watch", Needs::Nothing),
    ("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", Needs::Nothing),
    ("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", Needs::Nothing),
];

/// What calling `path` needs, or `None` when nobody may.
pub fn needs(path: &str) -> Option<Needs> {
    METHODS.iter().find(|(known, _)| *known == path).map(|(_, needs)| *needs)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use prost::Message as _;
    use prost_types::FileDescriptorSet;

    use super::*;
    use crate::grpc::server::DESCRIBED;

    /// `/package.Service/Method` of everything that the listener describes.
    fn described() -> BTreeSet<String> {
        let sets = DESCRIBED.iter().map(|set| FileDescriptorSet::decode(*set).unwrap());
        let files = sets.flat_map(|set| set.file);
        files
            .flat_map(|file| {
                let package = file.package().to_owned();
                let named = move |service: &str, method: &str| format!("/{package}.{service}/{method}");
                let methods = file.service.into_iter().flat_map(move |service| {
                    let paths = service.method.iter().map(|method| named(service.name(), method.name()));
                    paths.collect::<Vec<_>>()
                });
                methods.collect::<Vec<_>>()
            })
            .collect()
    }

    #[test]
    fn every_method_that_is_served_is_in_the_table_and_nothing_else_is() {
        let listed: BTreeSet<String> = METHODS.iter().map(|(path, _)| (*path).to_owned()).collect();
        assert_eq!(described(), listed);
        assert_eq!(listed.len(), METHODS.len(), "a method is listed twice");
    }

    #[test]
    fn all_that_is_about_readings_needs_a_token() {
        let open = METHODS.iter().filter(|(_, needs)| *needs == Needs::Nothing);
        assert!(open.clone().count() > 0);
        for (path, _) in open {
            assert!(path.starts_with("/grpc."), "{path}");
        }
        assert_eq!(needs("/painwatch.ingest.v1.Ingest/Erase"), None);
    }
}
