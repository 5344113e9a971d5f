//! How the code hangs together: no circle between the modules of a crate, and crates that depend on each other in one
//! direction only, as `docs/architecture.md` draws it.
//!
//! A module depends on another when its production code names something of it by `crate::`, `super::`, `self::` or by the
//! name of a child. The root of a crate is none of them: it declares what is public, and of a step the event and the handler.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};

use crate::root;

/// Path of a module inside its crate: empty for the root.
type Module = Vec<String>;

/// The modules of a crate's library or program, each with the ones that it names.
fn modules(source: &Path) -> BTreeMap<Module, BTreeSet<Module>> {
    let mut files: Vec<(Module, PathBuf)> = Vec::new();
    let mut folders = vec![source.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let Some(name) = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".rs")) else {
                continue;
            };
            if ["tests", "fake"].contains(&name) || (name == "main" && source.join("lib.rs").exists()) {
                continue;
            }
            let folder = path.parent().unwrap().strip_prefix(source).unwrap();
            let mut module: Module = folder.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
            if !["lib", "main", "mod"].contains(&name) {
                module.push(name.to_owned());
            }
            files.push((module, path));
        }
    }
    let known: BTreeSet<Module> = files.iter().map(|(module, _)| module.clone()).collect();
    let depend = |(module, path): &(Module, PathBuf)| {
        let file = syn::parse_file(&std::fs::read_to_string(path).unwrap()).unwrap();
        let mut names = Names { known: &known, module, found: BTreeSet::new() };
        names.visit_file(&file);
        names.found.remove(module);
        names.found.remove(&Module::new());
        (module.clone(), names.found)
    };
    files.iter().filter(|(module, _)| !module.is_empty()).map(depend).collect()
}

/// The modules that a file names.
struct Names<'a> {
    known: &'a BTreeSet<Module>,
    module: &'a Module,
    found: BTreeSet<Module>,
}

impl Names<'_> {
    /// Takes a path in, and the module that it leads to.
    fn take(&mut self, path: &[String]) {
        let Some((first, mut rest)) = path.split_first() else { return };
        let mut at = match first.as_str() {
            "crate" => Module::new(),
            "self" => self.module.clone(),
            "super" => self.module[..self.module.len().saturating_sub(1)].to_vec(),
            child => {
                let child: Module = self.module.iter().cloned().chain([child.to_owned()]).collect();
                if !self.known.contains(&child) {
                    return;
                }
                child
            }
        };
        while let Some((part, after)) = rest.split_first() {
            if part == "super" {
                at.pop();
            } else {
                let next: Module = at.iter().cloned().chain([part.clone()]).collect();
                if !self.known.contains(&next) {
                    break;
                }
                at = next;
            }
            rest = after;
        }
        self.found.insert(at);
    }

    fn tree(&mut self, before: &[String], tree: &syn::UseTree) {
        let with = |name: &syn::Ident| before.iter().cloned().chain([name.to_string()]).collect::<Vec<_>>();
        match tree {
            syn::UseTree::Path(path) => self.tree(&with(&path.ident), &path.tree),
            syn::UseTree::Name(name) if name.ident == "self" => self.take(before),
            syn::UseTree::Name(name) => self.take(&with(&name.ident)),
            syn::UseTree::Rename(name) => self.take(&with(&name.ident)),
            syn::UseTree::Glob(_) => self.take(before),
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| self.tree(before, tree)),
        }
    }
}

/// Whether something is compiled for tests only.
fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|one| {
        let Ok(list) = one.meta.require_list() else { return false };
        let text = list.tokens.to_string();
        list.path.is_ident("cfg") && (text == "test" || text.contains("feature = \"fakes\""))
    })
}

impl<'ast> Visit<'ast> for Names<'_> {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        let attributes = match item {
            syn::Item::Mod(item) => &item.attrs,
            syn::Item::Use(item) => &item.attrs,
            syn::Item::Fn(item) => &item.attrs,
            syn::Item::Impl(item) => &item.attrs,
            _ => return visit::visit_item(self, item),
        };
        if !is_for_tests(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if !is_for_tests(&item.attrs) {
            visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        // `pub use child::Thing` of a root says what is public, and needs nothing.
        self.tree(&[], &item.tree);
    }

    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {
        // `pub(in crate::folder)` says who may see a thing, and needs nothing.
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.segments.len() > 1 {
            let names: Vec<String> = path.segments.iter().map(|one| one.ident.to_string()).collect();
            self.take(&names);
        }
        visit::visit_path(self, path);
    }
}

/// The modules that lead back to themselves, circle by circle.
fn circles(modules: &BTreeMap<Module, BTreeSet<Module>>) -> Vec<BTreeSet<Module>> {
    let reach = |from: &Module| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
        while let Some(module) = open.pop() {
            for next in modules.get(module).into_iter().flatten() {
                if seen.insert(next.clone()) {
                    open.push(next);
                }
            }
        }
        seen
    };
    let reached: BTreeMap<&Module, BTreeSet<Module>> =
        modules.keys().map(|module| (module, reach(module))).collect();
    let mut found: Vec<BTreeSet<Module>> = Vec::new();
    for (module, all) in &reached {
        if !all.contains(*module) || found.iter().any(|circle| circle.contains(*module)) {
            continue;
        }
        let back = all.iter().filter(|other| reached.get(other).is_some_and(|all| all.contains(*module)));
        found.push(back.cloned().collect());
    }
    found
}

fn crates() -> Vec<String> {
    let entries = std::fs::read_dir(root().join("crates")).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Which crates a crate may depend on, as `docs/architecture.md` has it.
fn allowed() -> BTreeMap<String, BTreeSet<String>> {
    let page = crate::read("docs/architecture.md");
    let table = page.split("\n## ").find(|part| part.starts_with("The crates")).unwrap();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    let names = |cell: &str| {
        let cell = cell.split(" | ").next().unwrap();
        cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    };
    rows.map(|(name, rest)| (name.to_owned(), names(rest))).collect()
}

#[test]
fn crates_depend_in_the_direction_that_the_page_draws() {
    let allowed = allowed();
    let names: BTreeSet<String> = crates().into_iter().collect();
    assert_eq!(allowed.keys().cloned().collect::<BTreeSet<_>>(), names, "the page lists every crate");
    for name in &names {
        let manifest = crate::read(&format!("crates/{name}/Cargo.toml"));
        let section = manifest.split("\n[dependencies]\n").nth(1).unwrap_or_default();
        let section = section.split("\n[").next().unwrap();
        let depends = section.lines().filter(|line| line.contains("path = \"../"));
        let depends: BTreeSet<String> =
            depends.map(|line| line.split([' ', '=']).next().unwrap().to_owned()).collect();
        assert_eq!(depends, allowed[name], "{name}: crates/{name}/Cargo.toml and docs/architecture.md");
    }
    // In one direction: whoever is reached from a crate does not reach it.
    let mut order: Vec<&String> = Vec::new();
    while order.len() < names.len() {
        let next = names
            .iter()
            .find(|name| !order.contains(name) && allowed[*name].iter().all(|of| order.contains(&of)));
        order.push(next.unwrap_or_else(|| panic!("a circle of crates beside {order:?}")));
    }
}

#[test]
fn no_crate_has_a_circle_of_modules() {
    let mut found = Vec::new();
    for name in crates() {
        let modules = modules(&root().join("crates").join(&name).join("src"));
        for circle in circles(&modules) {
            let names: Vec<String> = circle.iter().map(|module| module.join("::")).collect();
            let edges = circle.iter().flat_map(|from| {
                let to = modules[from].iter().filter(|to| circle.contains(*to));
                to.map(move |to| format!("    {} -> {}", from.join("::"), to.join("::")))
            });
            found.push(format!(
                "{name}: {} modules: {}\n{}",
                circle.len(),
                names.join(", "),
                edges.collect::<Vec<_>>().join("\n")
            ));
        }
    }
    assert!(found.is_empty(), "{} circles:\n{}", found.len(), found.join("\n"));
}
