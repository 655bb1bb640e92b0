// Drives the vendor's own SDK of both generations through the documented life of a session, and
// checks by the simulator's own counters that everything came as it should. See README.md.

import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';

const require = createRequire(import.meta.url);
// The SDK's HTTP calls need the browser's class.
globalThis.XMLHttpRequest = require('xhr2');
const { gen, base, control } = settings();
const CID = 'CON-00000000-0000-4000-8000-000000000002';

main().then(
    () => process.exit(0),
    (error) => {
        console.error(`FAILED: ${error.stack ?? error}`);
        process.exit(1);
    },
);

async function main() {
    const before = await state();
    await refusedLogin();

    // Login, an event, its acknowledgment.
    const token = jwt(3600);
    const one = session();
    const app = await one.login(token);
    const id = app.session.session_id;
    check(`a session: ${id}`, typeof id === 'string' && app.me.name === 'alice');
    const got = [];
    app.on('*', 'NXM-errors', (error) => one.seen.push(error.type));
    app.session.connection.on('custom:hello', (event) => got.push(event.body.n));
    await command({ do: 'notify', body: { event: 'custom:hello', cid: CID, from: 'MEM-x', body: { n: 1 } } });
    await until('an event', () => got.length === 1);
    if (gen === 'v2') {
        await untilState('its acknowledgment', (now) => now.events.at(-1).acked_ms !== null);
    }

    // Cut and resume.
    one.clear();
    await command({ do: 'cut' });
    await command({ do: 'notify', body: { event: 'custom:hello', cid: CID, from: 'MEM-x', body: { n: 2 } } });
    await until('reconnect', () => one.seen.includes('reconnect'));
    check(`the callbacks: ${one.seen}`, one.seen.join().startsWith('disconnect ConnectionError,reconnecting 1,reconnect'));
    await untilState('the session is resumed', (now) => now.resumed === before.resumed + 1);
    await untilState('what was missed is sent', (now) => now.events.at(-1).sent === 1);
    check('the same session', app.session.session_id === id);
    if (gen === 'v1') {
        await until('the missed event', () => got.includes(2));
    }

    // Five attempts, then nothing until connect().
    one.clear();
    await command({ do: 'refuse', step: 'upgrade', times: 1000 });
    await command({ do: 'cut' });
    await until('reconnection_failed', () => one.seen.includes('error error:client:reconnection_failed'), 60000);
    const attempts = one.seen.filter((name) => name.startsWith('reconnecting'));
    check(`the attempts: ${attempts}`, attempts.join() === [1, 2, 3, 4, 5].map((n) => `reconnecting ${n}`).join());
    await command({ do: 'refuse', step: 'upgrade', times: 0 });
    const tried = (await state()).upgrade_calls.length;
    await sleep(1500);
    check('nothing by itself', (await state()).upgrade_calls.length === tried);
    one.client.connect();
    await untilState('connect() resumes', (now) => now.resumed === before.resumed + 2);
    check('by one attempt', (await state()).upgrade_calls.length === tried + 1);

    // The token expires: a new one, then connect().
    one.clear();
    await command({ do: 'set', key: 'expire_tokens', value: true });
    await until('TokenExpired', () => one.seen.includes('disconnect TokenExpired'));
    const idle = (await state()).upgrade_calls.length;
    await sleep(1500);
    check('no attempt with a dead token', (await state()).upgrade_calls.length === idle);
    const renewed = jwt(3601);
    await app.updateToken(renewed);
    one.client.connect();
    await untilState('the session goes on with a new token', (now) => now.resumed === before.resumed + 3);
    check('the same session still', app.session.session_id === id);

    // A new token on the living session, presented after the next cut.
    await until('connected', () => app.session.connection.connected);
    const third = jwt(3602);
    await app.updateToken(third);
    await untilState('the update is granted', (now) => now.refreshes === before.refreshes + 1);
    const via = (await state()).refresh_calls.at(-1).via;
    check(`by ${via}`, via === (gen === 'v1' ? 'socket' : 'rest'));
    await command({ do: 'cut' });
    await untilState('resumed once more', (now) => now.resumed === before.resumed + 4);
    const after = await state();
    const label = after.refresh_calls.at(-1).token;
    check(`with the updated token: ${label}`, after.attaches.at(-1).token === label);

    await until('connected', () => app.session.connection.connected);
    await one.logout();
    await untilState('logged out', (now) => now.logouts === before.logouts + 1);
    await untilState('no socket is left', (now) => now.live_sockets === before.live_sockets);
    const end = await state();
    const outcomes = end.attaches.slice(before.attaches.length).map((one) => one.outcome).join(' ');
    check(`outcomes: ${outcomes}`, outcomes === 'refused fresh resumed resumed resumed resumed');
    check('no bad frames', end.bad_frames === before.bad_frames);
    check('no unknown paths', end.unknown_paths === before.unknown_paths);
    if (gen === 'v2') check('reports of reconnects', end.metrics > before.metrics);
    console.log('PASSED');
}

/// A token that is past is refused by name.
async function refusedLogin() {
    const bad = session();
    const error = await bad.login(jwt(-10)).then(() => null, (error) => error);
    check(`a login with an expired token: ${error?.type}`, error?.type === 'system:error:expired-token');
    await untilState('the socket is closed', (now) => now.live_sockets === 0);
}

/// A client whose callbacks are kept in their order.
function session() {
    const NexmoClient = require(gen === 'v1' ? 'nexmo-client-8' : 'nexmo-client-9');
    const client = new NexmoClient({
        url: base, nexmo_api_url: base, ips_url: `${base}/v1/image`,
        sync: 'none', rtcstats: { remote_collection: false },
    });
    const kept = { client, seen: [] };
    kept.clear = () => kept.seen.splice(0);
    kept.login = (token) => (gen === 'v1' ? client.login(token) : client.createSession(token));
    kept.logout = () => (gen === 'v1' ? client.logout() : client.deleteSession());
    client.on('ready', () => kept.seen.push('ready'));
    client.on('disconnect', (reason) => kept.seen.push(`disconnect ${reason}`));
    client.on('reconnecting', (n) => kept.seen.push(`reconnecting ${n}`));
    client.on('reconnect', () => kept.seen.push('reconnect'));
    client.on('error', (error) => kept.seen.push(`error ${error?.type}`));
    return kept;
}

/// An unsigned token: the simulator reads the claims only.
function jwt(seconds) {
    const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const now = Math.floor(Date.now() / 1000);
    const claims = { application_id: 'app', sub: 'alice', iat: now, exp: now + seconds, jti: crypto.randomUUID() };
    return `${part({ alg: 'none' })}.${part(claims)}.${part('signature')}`;
}

function check(what, good) {
    console.log(`${good ? 'ok  ' : 'FAIL'} ${what}`);
    if (!good) throw new Error(what);
}

async function until(what, test, withinMs = 20000) {
    const deadline = Date.now() + withinMs;
    while (!(await test())) {
        if (Date.now() > deadline) throw new Error(`timed out: ${what}`);
        await sleep(20);
    }
    console.log(`ok   ${what}`);
}

function untilState(what, test) {
    return until(what, async () => test(await state()));
}

async function command(body) {
    const answer = await fetch(`${control}/`, { method: 'POST', body: JSON.stringify(body) });
    if (answer.status !== 200) throw new Error(`${body.do}: ${await answer.text()}`);
    return answer.json();
}

function state() {
    return command({ do: 'state' });
}

function settings() {
    const named = (name) => {
        const at = process.argv.indexOf(`--${name}`);
        return at > 0 ? process.argv[at + 1] : process.env[`REDIAL_SIM_${name.toUpperCase()}`];
    };
    const found = { gen: named('gen'), base: named('base'), control: named('control') };
    if (!['v1', 'v2'].includes(found.gen) || !found.base || !found.control) {
        console.error('usage: node run.mjs --gen v1|v2 --base http://HOST:PORT --control http://HOST:PORT');
        process.exit(2);
    }
    return found;
}
