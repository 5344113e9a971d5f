//! Short names for buckets, for the library that keeps objects as files: it puts what it knows of an object into a file beside it
//! whose name has bucket and key in base 64, and a file's name has 255 bytes. With the bucket's own name in it, a key of 127 would
//! be too long, and S3 takes 1,024.
//!
//! A bucket is a folder of its own name; its short name is a link to that.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use s3s::dto::*;
use s3s::{S3, S3Error, S3ErrorCode, S3Request, S3Response, S3Result};
use s3s_fs::FileSystem;

/// The short names, by the buckets' own. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct ShortNames(Arc<Mutex<BTreeMap<String, String>>>);

impl ShortNames {
    /// Gives a bucket of a folder a short name. Harmless when it has one.
    pub(super) fn add(&self, root: &Path, bucket: &str) -> io::Result<()> {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if names.contains_key(bucket) {
            return Ok(());
        }
        let short = format!(".b{}", names.len());
        match std::os::unix::fs::symlink(bucket, root.join(&short)) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => names.insert(bucket.to_owned(), short),
        };
        Ok(())
    }

    fn of(&self, bucket: &str) -> String {
        let names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        names.get(bucket).map_or(bucket, String::as_str).to_owned()
    }
}

/// Refuses a key that would lead out of its bucket: as a path it is absolute, or goes up.
///
/// # Errors
/// 400, where it does.
pub(super) fn stays_in_its_bucket(key: &str) -> S3Result<()> {
    let leads_out = key.starts_with('/') || key.contains('\0') || key.split('/').any(|part| part == "..");
    if leads_out {
        let message = "objects are files here: a key can't begin with / and has no .. between two of them";
        return Err(S3Error::with_message(S3ErrorCode::InvalidArgument, message));
    }
    Ok(())
}

/// The library's files, by short names.
pub(super) struct Shortened {
    pub(super) files: FileSystem,
    pub(super) names: ShortNames,
}

/// Passes operations on whose input names a bucket, by its short name.
macro_rules! shortened {
    ($($operation:ident: $input:ident -> $output:ident;)*) => {
        #[async_trait::async_trait]
        impl S3 for Shortened {
            $(
                async fn $operation(&self, mut request: S3Request<$input>) -> S3Result<S3Response<$output>> {
                    request.input.bucket = self.names.of(&request.input.bucket);
                    self.files.$operation(request).await
                }
            )*

            async fn list_buckets(
                &self,
                request: S3Request<ListBucketsInput>,
            ) -> S3Result<S3Response<ListBucketsOutput>> {
                let mut answer = self.files.list_buckets(request).await?;
                // A bucket's name begins with a letter or a digit, a short one with a dot.
                let is_own = |bucket: &Bucket| !bucket.name.as_ref().is_some_and(|name| name.starts_with('.'));
                answer.output.buckets.iter_mut().for_each(|buckets| buckets.retain(is_own));
                Ok(answer)
            }

            async fn copy_object(
                &self,
                mut request: S3Request<CopyObjectInput>,
            ) -> S3Result<S3Response<CopyObjectOutput>> {
                request.input.bucket = self.names.of(&request.input.bucket);
                if let CopySource::Bucket { bucket, key, .. } = &mut request.input.copy_source {
                    stays_in_its_bucket(key)?;
                    *bucket = self.names.of(bucket).into();
                }
                self.files.copy_object(request).await
            }

            async fn delete_objects(
                &self,
                mut request: S3Request<DeleteObjectsInput>,
            ) -> S3Result<S3Response<DeleteObjectsOutput>> {
                for object in &request.input.delete.objects {
                    stays_in_its_bucket(&object.key)?;
                }
                request.input.bucket = self.names.of(&request.input.bucket);
                self.files.delete_objects(request).await
            }

            async fn list_objects_v2(
                &self,
                mut request: S3Request<ListObjectsV2Input>,
            ) -> S3Result<S3Response<ListObjectsV2Output>> {
                let bucket = std::mem::take(&mut request.input.bucket);
                request.input.bucket = self.names.of(&bucket);
                let mut answer = self.files.list_objects_v2(request).await?;
                answer.output.name = Some(bucket);
                Ok(answer)
            }
        }
    };
}

shortened! {
    put_object: PutObjectInput -> PutObjectOutput;
    get_object: GetObjectInput -> GetObjectOutput;
    head_object: HeadObjectInput -> HeadObjectOutput;
    delete_object: DeleteObjectInput -> DeleteObjectOutput;
    create_bucket: CreateBucketInput -> CreateBucketOutput;
    delete_bucket: DeleteBucketInput -> DeleteBucketOutput;
    list_objects: ListObjectsInput -> ListObjectsOutput;
    head_bucket: HeadBucketInput -> HeadBucketOutput;
    get_bucket_location: GetBucketLocationInput -> GetBucketLocationOutput;
    create_multipart_upload: CreateMultipartUploadInput -> CreateMultipartUploadOutput;
    upload_part: UploadPartInput -> UploadPartOutput;
    list_parts: ListPartsInput -> ListPartsOutput;
    complete_multipart_upload: CompleteMultipartUploadInput -> CompleteMultipartUploadOutput;
    abort_multipart_upload: AbortMultipartUploadInput -> AbortMultipartUploadOutput;
}
