//! What a mailbox wishes for its new tickets, at every ticket system: what it knows is sent, the rest left to its defaults.

use std::sync::Arc;
use std::time::Duration;

use ticket_bridge::config::whmcs::{Native, Profile};
use ticket_bridge::config::{self, Whmcs};
use ticket_bridge::model::ids::ApiName;
use ticket_bridge::runtime::{Clock, Secret, tls};
use ticket_bridge::sandbox::desk::{DeskOptions, DeskStandIn, Dialect, Ticket};
use ticket_bridge::ticket_api::common::Common;
use ticket_bridge::ticket_api::hostup::Hostup;
use ticket_bridge::ticket_api::i3d::I3d;
use ticket_bridge::ticket_api::paradarum::Paradarum;
use ticket_bridge::ticket_api::{Access, Files, NewTicket, TicketApi, whmcs};

const ACCOUNT: i64 = 12;
const KEY: &str = "hup_live_abcdefghijklmnopqrstu";

/// A desk of this dialect, and the adapter that speaks to it.
async fn desk(dialect: Dialect) -> (DeskStandIn, Arc<dyn TicketApi>) {
    let options = DeskOptions { dialect, ..DeskOptions::default() };
    let key = if dialect == Dialect::Whmcs { options.whmcs.secret.clone() } else { KEY.to_owned() };
    let identifier = options.whmcs.identifier.clone();
    let desk = DeskStandIn::start(options).await.unwrap();
    desk.add_account(ACCOUNT, KEY);
    let common = Common {
        key: Some(Secret::new(key)),
        max_calls_per_second: 0.0,
        call_timeout: Duration::from_secs(10),
        ..Common::new(ApiName::new("desk"), desk.base_url().parse().unwrap())
    };
    let (tls, clock) = (tls::client_config(None).unwrap(), Clock::real());
    let api: Arc<dyn TicketApi> = match dialect {
        Dialect::Paradarum => {
            Arc::new(Paradarum::new(common, config::Paradarum::default(), &tls, clock).unwrap())
        }
        Dialect::I3d => Arc::new(I3d::new(common, config::I3d::default(), &tls, clock).unwrap()),
        Dialect::Hostup => {
            let settings = config::Hostup {
                critical_reason: Some("The shop is down.".to_owned()),
                ..config::Hostup::default()
            };
            Arc::new(Hostup::new(common, settings, &tls, clock).unwrap())
        }
        Dialect::Whmcs => {
            let settings = Whmcs {
                default_priority: Some("Medium".to_owned()),
                ..Whmcs::new(Profile::Native(Native::new(identifier)))
            };
            Arc::new(whmcs::Native::new(common, settings, &tls, clock).unwrap())
        }
        Dialect::Keliweb => unreachable!("it words new tickets as WHMCS does"),
    };
    (desk, api)
}

/// The ticket that came of it.
async fn made(dialect: Dialect, wish: NewTicket) -> Ticket {
    let (desk, api) = desk(dialect).await;
    let access = Access { remote: ACCOUNT.to_string(), key: None };
    let wish = NewTicket { subject: "Help".to_owned(), text: "It is down.".to_owned(), ..wish };
    api.create(&access, &wish, Files::None).await.unwrap();
    assert!(dialect == Dialect::I3d || desk.violations().is_empty(), "{:?}", desk.violations());
    desk.tickets(ACCOUNT).remove(0)
}

fn wish(topic: Option<&str>, department: Option<&str>, priority: Option<&str>) -> NewTicket {
    let text = |word: Option<&str>| word.map(str::to_owned);
    NewTicket {
        topic: text(topic),
        department: text(department),
        priority: text(priority),
        ..NewTicket::default()
    }
}

#[tokio::test]
async fn departments_and_topics_go_where_each_system_has_them() {
    let both = || wish(Some("Billing"), Some("Sales"), None);
    let (only_topic, only_department) = (wish(Some("Sales"), None, None), wish(None, Some("Billing"), None));
    assert_eq!(made(Dialect::Paradarum, both()).await.topic, 3, "it knows topics");
    assert_eq!(made(Dialect::Paradarum, only_department).await.topic, 3);
    assert_eq!(made(Dialect::Whmcs, both()).await.department.as_deref(), Some("2"), "it knows departments");
    assert_eq!(made(Dialect::Whmcs, only_topic).await.department.as_deref(), Some("2"));
    let at_hostup = made(Dialect::Hostup, wish(Some("VPS"), Some("Domain names"), None)).await;
    assert_eq!(at_hostup.department.as_deref(), Some("domain-names"));
    let at_i3d = made(Dialect::I3d, wish(Some("Bare-metal"), Some("Finance"), None)).await;
    let at_i3d = (at_i3d.category.as_deref(), at_i3d.department.as_deref());
    assert_eq!(at_i3d, (Some("Bare-metal"), Some("Finance")), "it knows both");
    for unknown in [None, Some("Nobody")] {
        let at_i3d = made(Dialect::I3d, wish(None, unknown, None)).await;
        assert_eq!(at_i3d.department.as_deref(), Some("Service Desk"), "{unknown:?}");
    }
}

#[tokio::test]
async fn a_priority_is_sent_in_the_system_s_own_word_and_never_one_that_it_would_refuse() {
    for (dialect, word, becomes) in [
        (Dialect::Hostup, Some("Urgent"), Some("urgent")),
        (Dialect::Hostup, Some("critical"), Some("critical")),
        (Dialect::Hostup, Some("enormous"), Some("medium")),
        (Dialect::Hostup, None, Some("medium")),
        (Dialect::Whmcs, Some("high"), Some("High")),
        (Dialect::Whmcs, Some("urgent"), Some("Medium")),
        (Dialect::Whmcs, None, Some("Medium")),
        (Dialect::Paradarum, Some("high"), None),
        (Dialect::I3d, Some("high"), None),
    ] {
        let ticket = made(dialect, wish(None, None, word)).await;
        assert_eq!(ticket.priority.as_deref(), becomes, "{dialect:?} {word:?}");
    }
}
