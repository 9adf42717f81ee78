//! One conversation with the system bus.

use std::future::Future;
use std::time::Duration;

use serde::Serialize;
use tokio::runtime::Builder;
use tokio::time::timeout;
use zbus::connection;
use zbus::{Connection, DynamicType};

use super::PATIENCE;
use super::error::{Code, Result, error, refused};

/// A service on the bus.
#[derive(Clone, Copy, Debug)]
pub struct Service {
    /// Its well-known name.
    pub name: &'static str,
    /// The object that is asked.
    pub path: &'static str,
    /// The interface that has the methods.
    pub interface: &'static str,
}

/// A connection to the bus for one function of JavaScript.
pub struct Bus {
    connection: Connection,
}

impl Bus {
    /// Whether somebody on the bus has the service's name now.
    pub async fn has(&self, service: Service) -> Result<bool> {
        let tried = format!("ask the bus for {}", service.name);
        let bus = (
            "org.freedesktop.DBus",
            "/org/freedesktop/DBus",
            "org.freedesktop.DBus",
        );
        let reply = self
            .connection
            .call_method(Some(bus.0), bus.1, Some(bus.2), "NameHasOwner", &service.name)
            .await;
        let reply = reply.map_err(|cause| refused(&tried, &cause))?;
        reply
            .body()
            .deserialize()
            .map_err(|cause| refused(&tried, &cause))
    }

    /// Fails with `SERVICE_UNAVAILABLE` instead of letting the bus start the service.
    pub async fn require(&self, service: Service) -> Result<()> {
        if self.has(service).await? {
            return Ok(());
        }
        Err(error(
            Code::ServiceUnavailable,
            format!("{} is not running on the system bus", service.name),
        ))
    }

    /// Calls a method and waits for its answer, which is ignored.
    pub async fn call<B: Serialize + DynamicType>(
        &self,
        service: Service,
        method: &str,
        body: &B,
    ) -> Result<()> {
        let Service {
            name,
            path,
            interface,
        } = service;
        let reply = self
            .connection
            .call_method(Some(name), path, Some(interface), method, body)
            .await;
        reply
            .map_err(|cause| refused(&format!("{name} {method}"), &cause))
            .map(drop)
    }
}

/// Connects, runs `work`, hangs up. Everything together takes at most [`PATIENCE`].
pub fn with_bus<T, F>(work: impl FnOnce(Bus) -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    with_bus_within(PATIENCE, work)
}

fn with_bus_within<T, F>(patience: Duration, work: impl FnOnce(Bus) -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|cause| {
            error(
                Code::Failed,
                format!("start a conversation with the bus: {cause}"),
            )
        })?;
    let conversation = async {
        let connection = connection::Builder::system().build().await;
        let connection = connection.map_err(|cause| {
            error(
                Code::BusUnavailable,
                format!("the system bus cannot be reached: {cause}"),
            )
        })?;
        work(Bus { connection }).await
    };
    let outcome = runtime.block_on(async { timeout(patience, conversation).await });
    // Nothing that still runs may hold JavaScript up.
    runtime.shutdown_background();
    outcome.unwrap_or_else(|_| {
        Err(error(
            Code::TimedOut,
            format!("the system bus did not answer within {} ms", patience.as_millis()),
        ))
    })
}
