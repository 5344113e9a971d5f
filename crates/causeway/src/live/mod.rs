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

use tokio::sync::broadcast::Receiver;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use self::picture::Source;
use self::story::Story;
use crate::Error;
use crate::outlook::Look;
use crate::tally::{Count, Words};

/// How often the Regions are looked at.
const LOOK: Duration = Duration::from_millis(500);

/// What the runbooks do, and what happens in the world.
pub type News = (Receiver<automation::Event>, Receiver<sandbox::world::Event>);

/// What a page is of.
pub struct Scene {
    /// The Regions.
    pub outlook: Arc<dyn Look>,
    /// Who knows what was acknowledged.
    pub count: Arc<dyn Count>,
    /// What those who write are called.
    pub words: Words,
    /// The page's title.
    pub title: String,
    /// The application's address, where it has one.
    pub address: Option<String>,
    /// The Regions, and the addresses of their doors.
    pub doors: Vec<(String, Option<String>)>,
}

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
    /// Serves the page of what happens in a world, with what the runbooks do and what happens in it where that is told.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn open(scene: Scene, news: Option<News>) -> Result<Self, Error> {
        let story = Arc::new(Story::default());
        let Scene { outlook, count, words, title, address, doors } = scene;
        let source = Source {
            outlook,
            count,
            words,
            story: Arc::clone(&story),
            title,
            address,
            doors,
            began: Instant::now(),
        };
        let source = Arc::new(source);
        let (seen, looks) = watch::channel(source.picture().await);
        let mut tasks = Vec::new();
        if let Some((steps, events)) = news {
            tasks.push(tokio::spawn(Arc::clone(&story).follow_runbooks(steps)));
            tasks.push(tokio::spawn(Arc::clone(&story).follow_world(events)));
        }
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
