//! The example application: a shop of six services in one binary, to be moved to another Region by the runbooks while customers
//! use it.
//!
//! ```text
//!   customers ──▶ ui ──▶ catalog ──▶ Aurora (Catalog)
//!                 │ ├──▶ carts ────▶ DynamoDB (global table)
//!                 │ ├──▶ checkout ─▶ Redis
//!                 │ │        └─────▶ orders
//!                 │ ├──▶ orders ───▶ Aurora (Orders) ──▶ outbox ──▶ RabbitMQ
//!                 │ └──▶ assets
//! ```
//!
//! Each service is a module that makes routes of its settings; [`service`] makes a process of them. Each Region runs all six, and
//! each service speaks with the stores and services of its own Region only.
//!
//! # Promises
//! - What was acknowledged is committed in the Region's database. Whether it reaches the other Region is up to Aurora.
//! - An order, its items, its address and its event are one transaction; an order that is placed twice with one key is one order; an
//!   event reaches the broker at least once, under one id.
//! - A store that is down, slow, full or read-only is a 503 with `Retry-After` and a problem document, never a success.
//! - Nothing that a customer typed is in a log, unescaped in a page, or part of an SQL text.
//!
//! # Modules
//! - [`catalog`], [`carts`], [`checkout`], [`orders`], [`ui`], [`assets`]: the services
//! - [`api`], [`money`]: what they say to one another
//! - [`service`]: around each: bounds, health, an end in order; [`bounded`], [`chaos`], [`metrics`], [`request`]
//! - [`problem`], [`input`]: what is answered to bad input and in trouble
//! - [`calls`]: from service to service; [`database`], [`schema`], [`secret`]: to Aurora; [`aws`]: to AWS

pub mod api;
pub mod assets;
pub mod aws;
pub mod bounded;
pub mod calls;
pub mod carts;
pub mod catalog;
pub mod chaos;
pub mod checkout;
pub mod database;
pub mod input;
pub mod metrics;
pub mod money;
pub mod orders;
pub mod problem;
pub mod request;
pub mod schema;
pub mod secret;
pub mod service;
pub mod ui;
