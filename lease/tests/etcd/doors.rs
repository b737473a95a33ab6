//! An etcd that lets in those only whom it knows, and is spoken to only if it is known.

use crate::cluster::{Cluster, LONG, server, take, within};
use florin_lease::{Coordination, CoordinationOptions, EtcdLogin, EtcdTls, LeaseError, since_boot};
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use std::fs;

fn group(cluster: &Cluster, options: &CoordinationOptions) -> Coordination {
    Coordination::connect(&[cluster.endpoint()], "bank", options).unwrap()
}

#[tokio::test]
async fn a_user_logs_in() {
    let cluster = Cluster::start().await;
    cluster.etcdctl(&["user", "add", "root:secret"]).await;
    cluster.etcdctl(&["auth", "enable"]).await;
    let login = |password: &str| CoordinationOptions {
        login: Some(EtcdLogin { name: String::from("root"), password: String::from(password) }),
        ..CoordinationOptions::default()
    };
    for options in [CoordinationOptions::default(), login("guess")] {
        let refused = within("an answer", group(&cluster, &options).holder()).await;
        assert!(matches!(refused, Err(LeaseError::Refused(_))), "{refused:?}");
    }
    let options = login("secret");
    assert!(!format!("{options:?}").contains("secret"));
    let group = group(&cluster, &options);
    let held = take(&group, 1, LONG).await;
    held.mark_alone(1).await.unwrap();
    // From now on the token is none any more.
    cluster.etcdctl(&["--user", "root:secret", "auth", "disable"]).await;
    cluster.etcdctl(&["auth", "enable"]).await;
    assert_eq!(within("an answer", group.holder()).await, Ok(Some(server(1))));
    held.release().await.unwrap();
}

#[tokio::test]
async fn both_sides_show_a_certificate() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new(Vec::<String>::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_pem = authority.self_signed(&authority_key).unwrap().pem();
    let issuer = Issuer::new(authority, authority_key);
    let certified = |name: &str, usage| {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![String::from(name)]).unwrap();
        params.extended_key_usages = vec![usage];
        (params.signed_by(&key, &issuer).unwrap().pem(), key.serialize_pem())
    };
    let (etcd, etcd_key) = certified("127.0.0.1", ExtendedKeyUsagePurpose::ServerAuth);
    let (ours, our_key) = certified("ledger-1", ExtendedKeyUsagePurpose::ClientAuth);
    fs::write(path("ca.pem"), &authority_pem).unwrap();
    fs::write(path("etcd.pem"), etcd).unwrap();
    fs::write(path("etcd.key"), etcd_key).unwrap();
    let mut arguments = Vec::from(["--client-cert-auth", "--trusted-ca-file"].map(String::from));
    arguments.push(path("ca.pem"));
    arguments.extend([String::from("--cert-file"), path("etcd.pem")]);
    arguments.extend([String::from("--key-file"), path("etcd.key")]);
    let cluster = Cluster::start_with(directory, "https", arguments).await;

    let identity = (ours.into_bytes(), our_key.into_bytes());
    let tls = EtcdTls {
        authorities_pem: authority_pem.into_bytes(),
        identity_pem: Some(identity),
        server_name: None,
    };
    let with = |tls| CoordinationOptions { tls: Some(tls), ..CoordinationOptions::default() };
    take(&group(&cluster, &with(tls.clone())), 1, LONG).await.release().await.unwrap();

    let unknown = EtcdTls { identity_pem: None, ..tls.clone() };
    let misnamed = EtcdTls { server_name: Some(String::from("etcd-9")), ..tls };
    for tls in [unknown, misnamed] {
        let refused = group(&cluster, &with(tls)).acquire(&server(1), LONG, since_boot).await;
        assert!(matches!(refused, Err(LeaseError::Unreachable(_))), "{refused:?}");
    }
    let plain = group(&cluster, &CoordinationOptions::default()).holder().await;
    assert!(matches!(plain, Err(LeaseError::Unreachable(_))), "{plain:?}");
}
