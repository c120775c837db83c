//! Lists that are answered page by page, from the newest row to the oldest.

use crate::{DeskError, limits};
use access::Time;
use axum::Json;
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::fmt::Display;

/// Some of a list, and after which of them the next page begins, where there is more.
#[derive(Debug)]
pub struct Page<T, I> {
    /// What is on it; none where the reader may see nothing of so much.
    pub rows: Vec<T>,
    /// What to ask for the next one after.
    pub next: Option<I>,
}

impl<T: Serialize, I: Display> IntoResponse for Page<T, I> {
    fn into_response(self) -> Response {
        let next = self.next.and_then(|next| HeaderValue::from_str(&next.to_string()).ok());
        let mut answer = Json(self.rows).into_response();
        answer.headers_mut().extend(next.map(|next| (HeaderName::from_static(api::NEXT), next)));
        answer
    }
}

/// Up to `limit` rows that `see` lets the reader see, from the one after `after` on. `read` gives the next
/// [`limits::LIST`] of the list, and `place` says where a row stands in it.
pub fn look_through<R, T, I: Copy>(
    limit: usize,
    mut after: Option<(Time, I)>,
    read: impl Fn(Option<(Time, I)>) -> Result<Vec<R>, DeskError>,
    place: impl Fn(&R) -> (Time, I),
    see: impl Fn(R) -> Option<T>,
) -> Result<Page<T, I>, DeskError> {
    let (mut rows, mut last) = (Vec::new(), None);
    // Others' rows that the reader may not see must not hide those that they may.
    for _ in 0..limits::PAGES_LOOKED_THROUGH {
        let found = read(after)?;
        let is_end = found.len() < limits::LIST as usize;
        for row in found {
            let at = place(&row);
            after = Some(at);
            let Some(seen) = see(row) else { continue };
            if rows.len() >= limit {
                return Ok(Page { rows, next: last });
            }
            rows.push(seen);
            last = Some(at.1);
        }
        if is_end {
            return Ok(Page { rows, next: None });
        }
        if rows.len() >= limit {
            break;
        }
    }
    Ok(Page { rows, next: after.map(|(_, id)| id) })
}
