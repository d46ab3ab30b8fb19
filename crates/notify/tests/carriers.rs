//! Mails to a real mail server, and text messages to a provider over TLS.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use support::MailServer;
use tempfile::TempDir;
use tollgate_core::secret::Secret;
use tollgate_core::time::Timestamp;
use tollgate_notify::{
    MailLetter, MailPicture, MailSettings, MailTls, Report, SmsProvider, SmsSettings, SmtpMailer, TextLetter, Verdict,
};

/// A certificate authority of nobody's, and a certificate of it for 127.0.0.1 and localhost.
struct Certificates {
    folder: TempDir,
}

impl Certificates {
    fn make() -> Certificates {
        let folder = tempfile::tempdir().unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let authority = params.self_signed(&key).unwrap();
        let issuer = rcgen::Issuer::new(params, key);
        let own_key = rcgen::KeyPair::generate().unwrap();
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let own = rcgen::CertificateParams::new(names).unwrap().signed_by(&own_key, &issuer).unwrap();
        for (name, text) in [("ca.pem", authority.pem()), ("cert.pem", own.pem()), ("key.pem", own_key.serialize_pem())]
        {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        Certificates { folder }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }
}

fn letter(to: &str) -> MailLetter {
    MailLetter {
        to: to.into(),
        to_name: Some("محمد".into()),
        from_name: "متجر الكتب".into(),
        subject: "طلب دفع من متجر الكتب: 150.00 د.إ".into(),
        text: "ادفع هنا: https://pay.example/pay/x\n".into(),
        html: "<p dir=\"rtl\">ادفع هنا</p>".into(),
        picture: Some(MailPicture { name: "logo", media_type: "image/png", bytes: vec![0x89, b'P', b'N', b'G'] }),
        name: "7.179".into(),
        date: Timestamp(1_795_180_800_000_000),
    }
}

fn settings(server: &MailServer) -> MailSettings {
    MailSettings {
        server: Some("127.0.0.1".into()),
        port: Some(server.port),
        tls: MailTls::None,
        from: Some("pay@gateway.example".into()),
        timeout_ms: 20_000,
        ..MailSettings::default()
    }
}

async fn sent(settings: &MailSettings, password: Option<&str>, to: &str) -> Report {
    let password = password.map(Secret::new);
    SmtpMailer::open(settings, password.as_ref()).unwrap().unwrap().send(&letter(to)).await
}

#[tokio::test]
async fn a_mail_arrives_in_both_forms_with_its_headers() {
    let server = MailServer::start(&[]);
    let report = sent(&settings(&server), None, "jo@example.org").await;
    assert_eq!((report.verdict, report.status), (Verdict::Taken, Some(250)), "{report:?}");
    assert!(report.answer.contains("mail-17"), "{report:?}");
    let mail = server.wait_for("jo@example.org", 1).remove(0);
    assert_eq!(mail["from"], "pay@gateway.example");
    let headers = &mail["headers"];
    assert_eq!(headers["Subject"], letter("").subject);
    assert_eq!(headers["Message-ID"], "<7.179@gateway.example>");
    assert_eq!(headers["Date"], "Fri, 20 Nov 2026 13:20:00 +0000");
    assert_eq!(headers["From"], "متجر الكتب <pay@gateway.example>");
    assert_eq!(headers["To"], "محمد <jo@example.org>");
    assert!(mail["text"].as_str().unwrap().contains("ادفع هنا: https://pay.example/pay/x"));
    assert!(mail["html"].as_str().unwrap().contains("dir=\"rtl\""));
    assert_eq!(mail["parts"], serde_json::json!(["image/png", "text/html", "text/plain"]));
}

#[tokio::test]
async fn tls_comes_before_the_password_and_a_stranger_is_told_nothing() {
    let certificates = Certificates::make();
    let (cert, key) = (certificates.path("cert.pem"), certificates.path("key.pem"));
    let login = ["--cert", &cert, "--key", &key, "--user", "gateway", "--password", "open sesame"];
    for (tls, options) in
        [(MailTls::Starttls, login.to_vec()), (MailTls::Implicit, [&["--implicit"][..], &login].concat())]
    {
        let server = MailServer::start(&options);
        let trusting = MailSettings {
            tls,
            user: Some("gateway".into()),
            password_env: Some("NOT_READ_HERE".into()),
            ca_certificates: Some(certificates.path("ca.pem").into()),
            ..settings(&server)
        };
        let report = sent(&trusting, Some("open sesame"), "jo@example.org").await;
        assert_eq!(report.verdict, Verdict::Taken, "{tls:?}: {report:?}");
        let mail = server.wait_for("jo@example.org", 1).remove(0);
        assert_eq!((mail["tls"].as_bool(), mail["user"].as_str()), (Some(true), Some("gateway")), "{tls:?}");
        let wrong = sent(&trusting, Some("open barley"), "jo@example.org").await;
        assert_eq!((wrong.verdict, wrong.status), (Verdict::Later, Some(535)), "somebody may mend it: {wrong:?}");
        assert!(!format!("{wrong:?}").contains("barley"));
        // Of an authority that nobody trusts.
        let distrusting = MailSettings { ca_certificates: None, ..trusting.clone() };
        let refused = sent(&distrusting, Some("open sesame"), "jo@example.org").await;
        assert_eq!((refused.verdict, refused.status), (Verdict::Later, None), "{refused:?}");
        assert_eq!(server.mails().len(), 1);
    }
}

#[tokio::test]
async fn without_starttls_nothing_is_said() {
    let server = MailServer::start(&[]);
    let strict = MailSettings { tls: MailTls::Starttls, ..settings(&server) };
    let report = sent(&strict, None, "jo@example.org").await;
    assert_eq!((report.verdict, server.mails().len()), (Verdict::Later, 0), "{report:?}");
}

#[tokio::test]
async fn what_the_server_refuses_for_good_is_told_from_what_it_puts_off() {
    let server = MailServer::start(&["--slow", "30"]);
    let settings = settings(&server);
    for (to, status) in [("refused@example.org", 550), ("unwanted@example.org", 554)] {
        let report = sent(&settings, None, to).await;
        assert_eq!((report.verdict, report.status), (Verdict::Refused, Some(status)), "{report:?}");
    }
    let later = sent(&settings, None, "later@example.org").await;
    assert_eq!((later.verdict, later.status), (Verdict::Later, Some(451)), "{later:?}");
    assert_eq!(sent(&settings, None, "later@example.org").await.verdict, Verdict::Taken, "the second time");
    let hurried = MailSettings { timeout_ms: 300, ..settings.clone() };
    let slow = sent(&hurried, None, "slow@example.org").await;
    assert_eq!((slow.verdict, slow.status), (Verdict::Later, None), "{slow:?}");
    let port = server.port;
    drop(server);
    let nobody = sent(&MailSettings { port: Some(port), ..settings }, None, "jo@example.org").await;
    assert_eq!((nobody.verdict, nobody.status), (Verdict::Later, None), "{nobody:?}");
}

/// A provider of text messages over TLS that answers each request with the next of these.
fn provider(
    certificates: &Certificates,
    answers: &'static [(u16, &'static str)],
) -> (u16, std::sync::mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let config = tollgate_test_tls(certificates);
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for (status, body) in answers {
            let Ok((mut tcp, _)) = listener.accept() else { return };
            let mut tls = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = rustls::Stream::new(&mut tls, &mut tcp);
            let request = read_request(&mut stream);
            let _ = tell.send(request);
            let length = body.len();
            let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
            let _ = stream.write_all(answer.as_bytes());
            stream.conn.send_close_notify();
            let _ = stream.flush();
        }
    });
    (port, told)
}

fn read_request(stream: &mut impl Read) -> String {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer).unwrap_or_default();
        bytes.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let whole = text.split_once("\r\n\r\n").is_some_and(|(head, body)| {
            let length =
                head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
            body.len() >= length.unwrap_or(0)
        });
        if whole || count == 0 {
            return text;
        }
    }
}

fn tollgate_test_tls(certificates: &Certificates) -> Arc<rustls::ServerConfig> {
    use rustls_pki_types::pem::PemObject;
    use rustls_pki_types::{CertificateDer, PrivateKeyDer};
    let chain = vec![CertificateDer::from_pem_file(certificates.path("cert.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(certificates.path("key.pem")).unwrap();
    let crypto = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(crypto).with_safe_default_protocol_versions().unwrap();
    Arc::new(builder.with_no_client_auth().with_single_cert(chain, key).unwrap())
}

#[tokio::test]
async fn a_text_message_is_posted_with_its_secret_and_its_answer_is_judged() {
    let certificates = Certificates::make();
    let answers = &[(202, r#"{"message_id":"SM-9"}"#), (422, "no such number"), (500, "busy"), (401, "who are you")];
    let (port, told) = provider(&certificates, answers);
    let settings = SmsSettings {
        url: Some(format!("https://localhost:{port}/messages")),
        header: "X-Api-Key".into(),
        sender: Some("DemoBooks".into()),
        ca_certificates: Some(certificates.path("ca.pem").into()),
        ..SmsSettings::default()
    };
    let provider = SmsProvider::open(&settings, Some(&Secret::new("key-17"))).unwrap().unwrap();
    let text = TextLetter {
        to: "+962797219966".into(), text: "متجر: ادفع\nhttps://x".into(), reference: "7.1".into()
    };
    let mut verdicts = Vec::new();
    for _ in answers {
        let report = provider.send(&text).await;
        verdicts.push((report.verdict, report.status, report.answer.clone()));
        let request = told.recv().unwrap();
        assert!(request.to_lowercase().contains("x-api-key: key-17\r\n"), "{request}");
        let body: serde_json::Value = serde_json::from_str(request.split("\r\n\r\n").nth(1).unwrap()).unwrap();
        assert_eq!(
            body,
            serde_json::json!({ "to": text.to, "text": text.text, "reference": "7.1", "sender": "DemoBooks" })
        );
        assert!(!format!("{report:?}").contains("key-17"));
    }
    assert_eq!(verdicts[0].0, Verdict::Taken);
    assert!(verdicts[0].2.starts_with("message SM-9"), "{verdicts:?}");
    let rest: Vec<_> = verdicts.iter().skip(1).map(|(verdict, status, _)| (*verdict, *status)).collect();
    assert_eq!(rest, [(Verdict::Refused, Some(422)), (Verdict::Later, Some(500)), (Verdict::Later, Some(401))]);
    let stranger = SmsSettings { ca_certificates: None, ..settings };
    let report = SmsProvider::open(&stranger, None).unwrap().unwrap().send(&text).await;
    assert_eq!((report.verdict, report.status), (Verdict::Later, None), "an authority that nobody trusts: {report:?}");
}
