//! The spreadsheet of one table: reads each difference once, hands it to the report, and writes the rows that need a person.

use comparison::{Parts, TableSummary};
use missing_transactions::TableBuilder;
use runbook::StepError;
use runbook::error::Kind;
use table_diff::DifferenceKind;

use crate::store::{Bucket, Sum, Summing, Upload};

/// Differences of one table as they were read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) missing: u64,
    changed: u64,
    extra: u64,
}

impl Counts {
    /// A note where the summary counted otherwise. A person acts on the lists, so their numbers are used.
    pub(super) fn contradict(self, summary: &TableSummary) -> Option<String> {
        let counted = &summary.counts;
        let agree =
            (self.missing, self.changed, self.extra) == (counted.missing, counted.changed, counted.extra);
        (!agree).then(|| {
            format!(
                "The comparison counted {} missing, {} changed, {} extra; its lists hold {}, {}, {}, which are the \
                 numbers used here.",
                counted.missing, counted.changed, counted.extra, self.missing, self.changed, self.extra
            )
        })
    }
}

/// A table whose differences are read.
pub(super) struct Table<'a, S> {
    pub(super) parts: &'a Parts<'a, S>,
    pub(super) table: &'a str,
    pub(super) builder: TableBuilder<'a>,
    /// The sum of each file of differences that was read is added here.
    pub(super) evidence: &'a mut Vec<Sum>,
    pub(super) counts: Counts,
}

impl<S: Bucket> Table<'_, S> {
    /// Reads every difference, and writes those that need a person. Returns how many.
    pub(super) async fn spreadsheet(&mut self, upload: &mut Upload<'_, S>) -> Result<u64, StepError> {
        let mut csv = self.builder.csv(Vec::new());
        let mut rows = 0;
        for key in self.parts.keys(self.table) {
            let mut part = self.parts.open_part(key).await?;
            let mut sum = Summing::default();
            while let Some((line, difference)) = part.next().await? {
                sum.add(line);
                *match difference.kind {
                    DifferenceKind::Missing => &mut self.counts.missing,
                    DifferenceKind::Changed => &mut self.counts.changed,
                    DifferenceKind::Extra => &mut self.counts.extra,
                } += 1;
                let verdict = self.builder.add(&difference);
                rows += u64::from(!verdict.fate.is_harmless());
                csv.add(&difference, verdict).map_err(|error| no_spreadsheet(self.table, error))?;
                if csv.get_mut().len() > AT_ONCE {
                    upload.take(csv.get_mut()).await?;
                }
            }
            self.evidence.push(sum.of(key));
        }
        if rows > 0 {
            let mut rest = csv.finish().map_err(|error| no_spreadsheet(self.table, error))?;
            upload.take(&mut rest).await?;
        }
        Ok(rows)
    }
}

fn no_spreadsheet(table: &str, error: std::io::Error) -> StepError {
    let what = format!("the spreadsheet of table {table} can't be written");
    StepError::new(Kind::Failed, what, "report this line").with_source(error)
}

/// Bytes of a spreadsheet that are passed on at once.
const AT_ONCE: usize = 64 * 1024;
