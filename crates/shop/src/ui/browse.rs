//! Looking around: home, catalogue, product, pictures.

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::pages::{CataloguePage, HomePage, Part, ProductPage};
use super::session::Session;
use super::shop::{Shop, go_to, page_of, page_with, part, soon};
use crate::api::{CatalogSize, Product, Tag};
use crate::calls::segment;
use crate::input::{Asked, At, text};
use crate::problem::Problem;

/// Products of a page of the catalogue.
const PAGE: i64 = 6;

/// `GET /` and `/home`
pub async fn home(State(shop): State<Shop>, session: Session) -> Response {
    let products = soon(shop.catalog.get::<Vec<Product>>("/catalog/products?size=6"));
    let tags = soon(shop.catalog.get::<Vec<Tag>>("/catalog/tags"));
    let (frame, products, tags) = tokio::join!(shop.frame(&session), products, tags);
    let page = HomePage { frame, tags: tags.unwrap_or_default(), products: products.ok().into() };
    page_with(page_of(&page.products), &page)
}

/// What of the catalogue is asked for.
#[derive(Deserialize)]
pub struct List {
    #[serde(default)]
    tag: String,
    #[serde(default)]
    keyword: String,
    page: Option<u32>,
    size: Option<i64>,
}

impl List {
    fn page(&self) -> u32 {
        self.page.unwrap_or(1).clamp(1, 10_000)
    }

    fn size(&self) -> i64 {
        self.size.unwrap_or(PAGE).clamp(1, 60)
    }
}

/// `GET /catalog`
pub async fn catalogue(State(shop): State<Shop>, session: Session, Asked(list): Asked<List>) -> Response {
    let (page, size, tag) = (list.page(), list.size(), segment(&list.tag));
    let products = format!("/catalog/products?tags={tag}&page={page}&size={size}");
    let sizes = format!("/catalog/size?tags={tag}");
    let (frame, products, tags, count) = tokio::join!(
        shop.frame(&session),
        soon(shop.catalog.get::<Vec<Product>>(&products)),
        soon(shop.catalog.get::<Vec<Tag>>("/catalog/tags")),
        soon(shop.catalog.get::<CatalogSize>(&sizes)),
    );
    let count = count.map_or(0, |count| count.size);
    let page = CataloguePage {
        frame,
        tags: tags.unwrap_or_default(),
        selected: Some(list.tag).filter(|tag| !tag.is_empty()),
        keyword: None,
        products: products.ok().into(),
        page,
        pages: u32::try_from((count + size - 1) / size).unwrap_or(u32::MAX).max(1),
    };
    page_with(page_of(&page.products), &page)
}

/// `GET /catalog/search`
pub async fn search(State(shop): State<Shop>, session: Session, Asked(list): Asked<List>) -> Response {
    let Ok(keyword) = text("keyword", &list.keyword, 80) else { return go_to("/catalog") };
    let (page, size) = (list.page(), list.size());
    // One more than is shown says whether there is a next page.
    let found = format!("/catalog/search?keyword={}&page=1&size=60", segment(keyword));
    let (frame, found, tags) = tokio::join!(
        shop.frame(&session),
        soon(shop.catalog.get::<Vec<Product>>(&found)),
        soon(shop.catalog.get::<Vec<Tag>>("/catalog/tags")),
    );
    let count = found.as_ref().map_or(0, Vec::len);
    let size = usize::try_from(size).unwrap_or(1);
    let skip = (page as usize - 1) * size;
    let shown = found.map(|found| found.into_iter().skip(skip).take(size).collect());
    let page = CataloguePage {
        frame,
        tags: tags.unwrap_or_default(),
        selected: None,
        keyword: Some(keyword.to_owned()),
        products: Part::from(shown.ok()),
        page,
        pages: u32::try_from(count.div_ceil(size)).unwrap_or(u32::MAX).max(1),
    };
    page_with(page_of(&page.products), &page)
}

/// `GET /catalog/{id}`
pub async fn product(State(shop): State<Shop>, session: Session, At(id): At<String>) -> Response {
    let (frame, product) = tokio::join!(shop.frame(&session), shop.product(&id));
    let Some(product) = part(product) else {
        return shop.trouble(&session, &Problem::not_found("product"), "/catalog").await;
    };
    let page = ProductPage { frame, product_id: id, product };
    page_with(page_of(&page.product), &page)
}

/// `GET /assets/{file}`: the picture, from the service that has it.
pub async fn picture(State(shop): State<Shop>, At(file): At<String>, headers: HeaderMap) -> Response {
    let path: Vec<String> = file.split('/').map(segment).collect();
    let known = headers.get(IF_NONE_MATCH).cloned().map(|tag| (IF_NONE_MATCH, tag)).into_iter().collect();
    let answer = match shop.assets.raw(&format!("/assets/{}", path.join("/")), &known).await {
        Ok(answer) => answer,
        Err(problem) => return problem.into_response(),
    };
    let mut response = Response::new(Body::empty());
    *response.status_mut() =
        StatusCode::from_u16(answer.status().as_u16()).unwrap_or(StatusCode::BAD_GATEWAY);
    for name in [CONTENT_TYPE, ETAG, CACHE_CONTROL] {
        if let Some(value) = answer.headers().get(&name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    match answer.bytes().await {
        Ok(bytes) => *response.body_mut() = Body::from(bytes),
        Err(_) => return Problem::unavailable("picture", &"it broke off").into_response(),
    }
    response
}
