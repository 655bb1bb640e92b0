// Starts the reference servers and runs redial's Socket.IO crate against them.
import { spawn } from "node:child_process";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const require = createRequire(import.meta.url);
const client = fileURLToPath(new URL("../socketio-rs/", import.meta.url));
const heartbeat = { pingInterval: 300, pingTimeout: 200 };

const member = (socket) => {
  socket.on("echo", (value, answer) => answer(value));
  socket.on("bin", (bytes, answer) => answer(bytes));
  socket.on("send-bin", () => socket.emit("blob", { part: Buffer.from([1, 2, 3]), n: 7 }));
  socket.on("ask-me", () => socket.emit("question", { q: 1 }, (answer) => socket.emit("got", answer)));
  socket.on("kick", () => socket.disconnect());
};

// The servers write into their options, so that each needs its own.
//
// The namespace /chat wants a token: in `auth` of a newer client, in the query of an older one.
const serve = async (version, options, connected = member) => {
  const http = createServer();
  const io = version === 2 ? require("socket.io-2")(http, options) : new (require("socket.io-4").Server)(http, options);
  const chat = io.of("/chat");
  chat.use((socket, next) => {
    const { auth, query } = socket.handshake;
    next((auth?.token ?? query.token) === "T2" ? undefined : new Error("not authorized"));
  });
  io.on("connection", (socket) => connected(socket, io));
  chat.on("connection", member);
  await new Promise((done) => http.listen(0, "127.0.0.1", done));
  return { base: `ws://127.0.0.1:${http.address().port}`, close: () => io.close() };
};

const run = (step, base) =>
  new Promise((done) => {
    const child = spawn("cargo", ["run", "--quiet", "--", step, base], { cwd: client, stdio: "inherit" });
    child.on("exit", (code) => done(code === 0));
  });

const recoverable = (socket, io) => {
  if (!socket.recovered) socket.emit("welcome");
  socket.on("later", () => setTimeout(() => io.emit("missed"), 300));
};

const steps = [
  ["socket.io 2, Engine.IO 3", "eio3", 2, heartbeat],
  ["socket.io 4, Engine.IO 4", "eio4", 4, heartbeat],
  ["socket.io 4 with allowEIO3, Engine.IO 3", "eio3", 4, { ...heartbeat, allowEIO3: true }],
  ["socket.io 4, recovery", "recovery", 4, { connectionStateRecovery: {} }, recoverable],
  ["socket.io 2, dialled with Engine.IO 4", "too-old", 2, heartbeat],
  ["socket.io 4, dialled with Engine.IO 3", "too-new", 4, heartbeat],
];

let passed = 0;
for (const [name, step, version, options, connected] of steps) {
  console.log(`# ${name}`);
  const server = await serve(version, { ...options }, connected);
  if (await run(step, server.base)) passed += 1;
  else console.log("FAILED");
  server.close();
}
console.log(`${passed} passed, ${steps.length - passed} failed`);
process.exit(passed === steps.length ? 0 : 1);
