//! The live page of a drill: the two Regions side by side, the customers' orders, the steps of the runbooks as they go, and in the end
//! what was lost and where the reports are.
//!
//! One page, made here and whole without a script: then it is a snapshot that is loaded again each two seconds. With one, what changes
//! comes by server-sent events. When the drill has ended, the page is kept as a file beside the reports.
//!
//! - [`story`]: what has happened so far
//! - [`picture`]: how that and the Regions look now, as HTML
//! - [`serve`]: the page on a port of loopback

pub mod picture;
mod serve;
pub mod story;

use std::sync::Arc;
use std::time::Duration;

use sandbox::REGIONS;
use sandbox::application::Application;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use self::picture::Source;
use self::story::Story;
use crate::Error;
use crate::customers::ledger::Ledger;
use crate::rig::Rig;

/// How often the Regions are looked at.
const LOOK: Duration = Duration::from_millis(500);

/// A page that is served until it is dropped.
pub struct Live {
    /// What has happened.
    pub story: Arc<Story>,
    /// Where the page is.
    pub url: String,
    source: Arc<Source>,
    tasks: Vec<JoinHandle<()>>,
}

impl Live {
    /// Serves the page of what happens in `rig`, where `shop` runs, to the customers of `ledger`.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn open(
        rig: &Rig,
        ledger: &Arc<Ledger>,
        title: &str,
        shop: &Application,
    ) -> Result<Self, Error> {
        let story = Arc::new(Story::default());
        let source = Arc::new(Source {
            outlook: rig.outlook(),
            ledger: Arc::clone(ledger),
            story: Arc::clone(&story),
            title: title.to_owned(),
            shop: shop.url().to_owned(),
            doors: REGIONS
                .map(|region| (region.to_owned(), shop.door(region).unwrap_or_default().to_owned()))
                .into(),
            began: Instant::now(),
        });
        let (seen, looks) = watch::channel(source.picture().await);
        let (steps, events) = rig.news();
        let mut tasks = vec![
            tokio::spawn(Arc::clone(&story).follow_runbooks(steps)),
            tokio::spawn(Arc::clone(&story).follow_world(events)),
        ];
        let looked = Arc::clone(&source);
        tasks.push(tokio::spawn(async move {
            loop {
                tokio::time::sleep(LOOK).await;
                let picture = looked.picture().await;
                seen.send_if_modified(|seen| {
                    let changed = *seen != picture;
                    *seen = picture;
                    changed
                });
            }
        }));
        let (url, serving) = serve::page(looks).await?;
        tasks.push(serving);
        Ok(Self { story, url, source, tasks })
    }

    /// The page as it is now, for a file.
    pub async fn page(&self) -> Result<String, Error> {
        self.source.picture().await.page()
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}
