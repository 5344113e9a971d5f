//! The report bucket, as this step uses it.

pub use runbook::bucket::folder::{Folder, Sum, Summing, Upload, json, put_and_check};
pub use runbook::bucket::{DeleteObject, GetObject, ListKeys, PutObject, PutParts, ReadLines};
use table_diff::BoxError;

/// What the missing-transaction report needs of a bucket.
pub trait Bucket: GetObject + PutObject + PutParts + DeleteObject + ReadLines + ListKeys + Sync {}

impl<S: GetObject + PutObject + PutParts + DeleteObject + ReadLines + ListKeys + Sync> Bucket for S {}

/// An SQL file that is written as it grows.
pub struct Script<'u, 'a, S>(pub &'u mut Upload<'a, S>);

impl<S: PutObject + PutParts + Sync> row_replay::Out for Script<'_, '_, S> {
    async fn write(&mut self, text: &[u8]) -> Result<(), BoxError> {
        Ok(self.0.take(&mut text.to_vec()).await?)
    }
}
