//! The processes of a test, and what is said to them.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// How long anything may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The tool, before it starts.
pub(crate) struct Tool {
    command: Command,
    checked: bool,
}

impl Tool {
    pub(crate) fn new<I: IntoIterator<Item: AsRef<OsStr>>>(args: I) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_redial"));
        command.args(args).env_clear();
        // A home for what the platform looks up; no variable of the tool's.
        for name in ["PATH", "HOME", "TMPDIR"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        Self { command, checked: true }
    }

    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    pub(crate) fn args<I: IntoIterator<Item: AsRef<OsStr>>>(mut self, args: I) -> Self {
        self.command.args(args);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Accepts lines that are no JSON objects with `t_ms` and `kind`.
    pub(crate) fn unchecked(mut self) -> Self {
        self.checked = false;
        self
    }

    pub(crate) fn start(self) -> Running {
        let (command, checked) = (self.command, self.checked);
        Running::start(command, checked)
    }

    /// Runs it to its end; returns its status, stdout and stderr.
    pub(crate) fn finish(mut self) -> (Option<i32>, String, String) {
        let output = self.command.stdin(Stdio::null()).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    /// Gives up the harness for tests of the pipes themselves.
    pub(crate) fn into_command(self) -> Command {
        self.command
    }
}

/// The tool while it runs; it is killed when dropped.
pub(crate) struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    checked: bool,
    seen: Vec<Value>,
    stdout: Arc<Mutex<Vec<u8>>>,
    stderr: Arc<Mutex<Vec<u8>>>,
    readers: Vec<JoinHandle<()>>,
}

impl Running {
    fn start(mut command: Command, checked: bool) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (stdout, stderr) = (Arc::<Mutex<Vec<u8>>>::default(), Arc::<Mutex<Vec<u8>>>::default());
        let (sender, lines) = channel();
        let (out, kept) = (child.stdout.take().unwrap(), Arc::clone(&stdout));
        let read_out = std::thread::spawn(move || {
            let mut out = BufReader::new(out);
            let mut line = Vec::new();
            while out.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
                kept.lock().unwrap().extend_from_slice(&line);
                let _ = sender.send(String::from_utf8_lossy(&line).trim_end().to_owned());
                line.clear();
            }
        });
        let (mut err, kept) = (child.stderr.take().unwrap(), Arc::clone(&stderr));
        let read_err = std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(n @ 1..) = err.read(&mut bytes) {
                kept.lock().unwrap().extend_from_slice(&bytes[..n]);
            }
        });
        let stdin = child.stdin.take();
        let readers = vec![read_out, read_err];
        Self { child, stdin, lines, checked, seen: Vec::new(), stdout, stderr, readers }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Returns the next line, or nothing at the end of the output.
    pub(crate) fn next_line(&mut self, deadline: Instant) -> Option<Value> {
        let left = deadline.saturating_duration_since(Instant::now());
        match self.lines.recv_timeout(left) {
            Ok(line) => {
                let value = match serde_json::from_str::<Value>(&line) {
                    Ok(value) => value,
                    Err(_) if !self.checked => Value::String(line.clone()),
                    Err(error) => panic!("no JSON ({error}): {line}"),
                };
                if self.checked {
                    assert!(value["t_ms"].is_u64(), "no t_ms: {line}");
                    assert!(value["kind"].is_string(), "no kind: {line}");
                }
                self.seen.push(value.clone());
                Some(value)
            }
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => {
                panic!("waited in vain\n{}", self.story());
            }
        }
    }

    /// Skips lines until one is as wanted.
    pub(crate) fn until(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        while let Some(line) = self.next_line(deadline) {
            if wanted(&line) {
                return line;
            }
        }
        panic!("ended before: {what}\n{}", self.story());
    }

    /// Skips lines until one of this kind.
    pub(crate) fn expect(&mut self, kind: &str) -> Value {
        self.until(kind, |line| line["kind"] == kind)
    }

    /// Skips lines until a `vendor` line of this name.
    pub(crate) fn expect_vendor(&mut self, name: &str) -> Value {
        self.until(name, |line| line["kind"] == "vendor" && line["name"] == name)
    }

    /// Returns the lines until one of this kind, that one included.
    pub(crate) fn lines_until(&mut self, kind: &str) -> Vec<Value> {
        let from = self.seen.len();
        self.expect(kind);
        self.seen[from..].to_vec()
    }

    pub(crate) fn seen(&self) -> &[Value] {
        &self.seen
    }

    /// Says a line on stdin.
    pub(crate) fn say(&mut self, line: &Value) {
        self.say_bytes(format!("{line}\n").as_bytes());
    }

    pub(crate) fn say_bytes(&mut self, bytes: &[u8]) {
        let stdin = self.stdin.as_mut().expect("stdin is open");
        stdin.write_all(bytes).and_then(|()| stdin.flush()).unwrap();
    }

    pub(crate) fn cmd(&mut self, name: &str) {
        self.say(&json!({ "cmd": name }));
    }

    pub(crate) fn close_stdin(&mut self) {
        self.stdin = None;
    }

    pub(crate) fn signal(&self, name: &str) {
        signal(self.pid(), name);
    }

    /// Waits for the end; returns the status.
    pub(crate) fn code(&mut self) -> i32 {
        self.status().code().expect("the process was killed by a signal")
    }

    pub(crate) fn status(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        while self.next_line(deadline).is_some() {}
        // Its output has ended, so it is about to.
        let status = wait(&mut self.child, deadline);
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        status
    }

    /// Ends the session and expects a clean exit.
    pub(crate) fn shut_down(&mut self) {
        self.cmd("shutdown");
        assert_eq!(self.code(), 0, "{}", self.story());
    }

    pub(crate) fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.stdout.lock().unwrap()).into_owned()
    }

    pub(crate) fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.stderr.lock().unwrap()).into_owned()
    }

    pub(crate) fn story(&self) -> String {
        format!("stdout:\n{}\nstderr:\n{}", self.stdout(), self.stderr())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let _ = writeln!(std::io::stderr(), "{}", self.story());
        }
    }
}

/// A simulator process.
pub(crate) struct Sim {
    pub(crate) process: Running,
    pub(crate) listening: Value,
}

impl Sim {
    pub(crate) fn plain() -> Self {
        Self::new(&[])
    }

    pub(crate) fn tls() -> Self {
        Self::new(&["--tls"])
    }

    pub(crate) fn new(args: &[&str]) -> Self {
        Self::start(Tool::new(["serve", "liveperson"]).args(args))
    }

    pub(crate) fn start(tool: Tool) -> Self {
        let mut process = tool.start();
        let listening = process.expect("listening");
        Self { process, listening }
    }

    /// Returns `host:port`.
    pub(crate) fn host(&self) -> &str {
        let base = self.listening["base"].as_str().unwrap();
        base.split_once("://").unwrap().1
    }

    pub(crate) fn ca(&self) -> Option<&str> {
        self.listening["ca"].as_str()
    }

    /// Sends a control command that must be accepted.
    pub(crate) fn control(&self, command: Value) -> Value {
        let (status, answer) = self.post(&command.to_string());
        assert_eq!(status, 200, "{command}: {answer}");
        answer
    }

    /// Posts to the control endpoint; returns status and body.
    pub(crate) fn post(&self, body: &str) -> (u16, Value) {
        let control = self.listening["control"].as_str().unwrap();
        let host = control.strip_prefix("http://").unwrap();
        let mut tcp = TcpStream::connect(host).unwrap();
        tcp.set_read_timeout(Some(PATIENCE)).unwrap();
        let length = body.len();
        write!(
            tcp,
            "POST / HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        tcp.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap())
    }

    pub(crate) fn state(&self) -> Value {
        self.control(json!({ "do": "state" }))
    }

    /// Skips wire lines until the client sends a request of this type; returns its line.
    pub(crate) fn expect_request(&mut self, kind: &str) -> Value {
        self.process.until(kind, |line| line["dir"] == "client" && line["json"]["type"] == kind)
    }

    /// Skips wire lines until the client asks for a path that holds `part`.
    pub(crate) fn expect_http(&mut self, part: &str) -> Value {
        self.process.until(part, |line| {
            line["dir"] == "client" && line["path"].as_str().is_some_and(|path| path.contains(part))
        })
    }
}

/// Begins a `connect liveperson` with a policy whose waits are short.
pub(crate) fn connect(sim: &Sim) -> Tool {
    connect_with(sim, FAST)
}

/// Begins a `connect liveperson` with what this policy file changes.
pub(crate) fn connect_with(sim: &Sim, policy: &str) -> Tool {
    let path = scratch("policy.toml");
    std::fs::write(&path, policy).unwrap();
    connect_bare(sim).arg("--policy").arg(path).args(["--username", "bot"]).args(PASSWORD)
}

/// Begins a `connect liveperson` without credentials, with the vendor's policy.
pub(crate) fn connect_bare(sim: &Sim) -> Tool {
    let tool = Tool::new(["connect", "liveperson", "--json", "--account", "12345678"])
        .args(["--csds", sim.host()]);
    match sim.ca() {
        Some(ca) => tool.args(["--ca", ca]),
        None => tool.arg("--plain"),
    }
}

/// Starts a session and waits until it is online.
pub(crate) fn online(sim: &Sim) -> Running {
    let mut client = connect(sim).start();
    client.expect("online");
    client
}

/// The vendor's policy with a wait of 300 ms.
pub(crate) const FAST: &str = "floor = 50\n[backoff]\ngrowth = { fixed = 300 }\n";
pub(crate) const PASSWORD: [&str; 2] = ["--password", "only-for-tests"];

/// Returns a path in a folder that nobody else uses.
pub(crate) fn scratch(name: &str) -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let folder = format!("{}-{number}", std::process::id());
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("redial").join(folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder.join(name)
}

/// Sends a signal.
pub(crate) fn signal(pid: u32, name: &str) {
    let status = Command::new("kill").args(["-s", name, &pid.to_string()]).status().unwrap();
    assert!(status.success());
}

/// Waits for the end of a process in bounded time.
pub(crate) fn wait(child: &mut Child, deadline: Instant) -> ExitStatus {
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        assert!(Instant::now() < deadline, "the process does not end");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Returns a line without its time.
pub(crate) fn timeless(line: &Value) -> Value {
    let mut line = line.clone();
    line.as_object_mut().unwrap().remove("t_ms");
    line
}

/// Returns a request that the simulator answers with a sequence number.
pub(crate) fn publish(text: &str) -> Value {
    json!({ "type": ".ams.ms.PublishEvent", "body": { "dialogId": "d1", "event": {
        "type": "ContentEvent", "contentType": "text/plain", "message": text,
    } } })
}
