//! Whoever else is on this machine, and whatever page is open in a browser on it: every listener and every file of a running sandbox
//! with the shop.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use super::{Run, has_postgres};

/// The addresses at which these processes listen, as the kernel has them, and whether a program of ours does.
fn listeners(processes: &[std::path::PathBuf]) -> Vec<(SocketAddr, bool)> {
    let mut sockets = Vec::new();
    for process in processes {
        let name = fs::read_to_string(process.join("comm")).unwrap_or_default();
        let ours = ["causeway", "shop"].contains(&name.trim());
        let Ok(files) = fs::read_dir(process.join("fd")) else { continue };
        let links = files.flatten().filter_map(|file| fs::read_link(file.path()).ok());
        let inodes = links
            .filter_map(|link| Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()));
        sockets.extend(inodes.map(|inode| (inode, ours)));
    }
    let tables =
        ["/proc/net/tcp", "/proc/net/tcp6"].map(|table| fs::read_to_string(table).unwrap_or_default());
    let lines = tables.iter().flat_map(|table| table.lines().skip(1));
    let listening = lines.filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (_, ours) = sockets.iter().find(|(inode, _)| fields.get(9) == Some(&inode.as_str()))?;
        (fields[3] == "0A").then(|| (address(fields[1]), *ours))
    });
    listening.collect()
}

/// An address as the kernel writes it: words of four bytes in the order of the machine, and the port.
fn address(text: &str) -> SocketAddr {
    let (ip, port) = text.split_once(':').unwrap();
    let words = (0..ip.len() / 8).map(|word| u32::from_str_radix(&ip[word * 8..][..8], 16).unwrap());
    let bytes: Vec<u8> = words.flat_map(u32::to_ne_bytes).collect();
    let ip = match <[u8; 4]>::try_from(&bytes[..]) {
        Ok(bytes) => IpAddr::from(Ipv4Addr::from(bytes)),
        Err(_) => Ipv6Addr::from(<[u8; 16]>::try_from(bytes).unwrap()).to_canonical(),
    };
    (ip, u16::from_str_radix(port, 16).unwrap()).into()
}

/// What is answered to a request with these lines: the status, and everything.
fn ask(address: SocketAddr, lines: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let request = format!("{lines}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    (answer.split(' ').nth(1).unwrap_or_default().to_owned(), answer)
}

/// Everything below a folder that somebody else than its owner could reach.
fn open_to_others(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(metadata) = fs::symlink_metadata(entry.path()) else { continue };
        let mode = metadata.permissions().mode();
        if metadata.is_symlink() || mode & 0o077 == 0 {
            // What is below a folder of one's own is reached by nobody else.
            continue;
        }
        // Where root runs it, the servers of PostgreSQL are another user's, who has to get through to their files.
        if metadata.is_dir() && mode & 0o066 == 0 {
            open_to_others(&entry.path(), found);
            continue;
        }
        found.insert(format!("{} is {:o}", entry.path().display(), mode & 0o777));
    }
}

#[test]
fn a_sandbox_is_for_its_user_and_no_page_of_another_site_drives_it() {
    let engine = if has_postgres() { "mixed" } else { "mariadb" };
    let mut run = Run::start(&["sandbox", "--factor", "240", "--engine", engine, "--shop"]);
    run.read_until("The shop runs. Look at ");

    let listeners = listeners(&run.processes_with_lines().into_iter().map(|(at, _)| at).collect::<Vec<_>>());
    let elsewhere: Vec<_> = listeners.iter().filter(|(at, _)| !at.ip().is_loopback()).collect();
    assert!(elsewhere.is_empty(), "not on loopback: {elsewhere:?}");
    let ours: Vec<SocketAddr> = listeners.iter().filter(|(_, ours)| *ours).map(|(at, _)| *at).collect();
    // One for all services and Regions, five of ARC, the page that shows it; the shop, two doors, and twice six services.
    assert!(ours.len() >= 22, "{ours:?}");
    assert!(listeners.len() > ours.len(), "and those of databases and stores: {listeners:?}");
    for at in ours {
        let (status, said) = ask(at, &format!("GET / HTTP/1.1\r\nhost: localhost:{}", at.port()));
        assert!(status.len() == 3 && status != "421", "{at}: {said}");
        for host in ["evil.example.com", &format!("127.0.0.1.nip.io:{}", at.port()), "0.0.0.0"] {
            let (status, said) = ask(at, &format!("GET / HTTP/1.1\r\nhost: {host}"));
            assert_eq!(status, "421", "{at} answers {host}: {said}");
        }
        for from in ["origin: https://evil.example.com", "origin: null", "sec-fetch-site: cross-site"] {
            let (status, said) = ask(at, &format!("POST / HTTP/1.1\r\nhost: {at}\r\n{from}"));
            assert_eq!(status, "403", "{at} takes it from {from}: {said}");
            assert!(said.contains("page of another site may change nothing here"), "{at}: {said}");
        }
    }

    let mut open = BTreeSet::new();
    open_to_others(run.temporary.path(), &mut open);
    assert!(open.is_empty(), "others than the user reach {open:#?}");
    run.interrupt();
    let (said, code) = run.end();
    assert_eq!(code, Some(0), "{said}");
}
