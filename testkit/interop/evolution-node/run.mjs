// Drives the seed's script or the official Socket.IO client, whichever the simulator's profile is
// for, and checks by the simulator's own counters that everything came as it should. See README.md.

import { setTimeout as sleep } from 'node:timers/promises';

import { io } from 'socket.io-client';

import { client } from './seed.mjs';

const { base, control } = settings();
const { profile } = await command({ do: 'state' });

({ codechat, v2 })[profile]().then(
    () => {
        console.log(`PASSED ${profile}`);
        process.exit(0);
    },
    (error) => {
        console.error(`FAILED: ${error.stack ?? error}`);
        process.exit(1);
    },
);

/// The seed's script: one socket for each event, five seconds after every end, for ever.
async function codechat() {
    const events = ['connection.update', 'messages.upsert', 'qrcode.updated'];
    const created = await post('POST', '/instance/create', { instanceName: 'interop' });
    check('an instance is created', created.status === 201);
    let token = created.body.Auth.token;
    const got = [];
    const log = [];
    const seen = (...what) => log.push(what);
    const url = `${base.replace(/^http/, 'ws')}/ws/events`;
    const socket = client({ url, token: () => token, seen, testMessage: true });
    for (const event of events) socket(event, (data) => got.push([event, data]));
    await untilState('a socket for each event', (now) => now.live_sockets === 3);
    await untilState('the test message on each', (now) =>
        now.sockets.every((one) => one.first_message === '{"message":"test data"}'));

    // Payloads, each to the callback of its event.
    const emit = (event, n) => command({ do: 'notify', body: { instance: 'interop', event, data: { n } } });
    for (const event of events) await emit(event, 1);
    await until('three payloads', () => got.length === 3);
    check(`each to its own: ${JSON.stringify(got)}`, events.every((event) =>
        got.some(([name, data]) => name === event && data.n === 1)));

    // Cut and resume: the same event, the same callback, five seconds later.
    await command({ do: 'cut' });
    await untilState('all three are back', (now) => now.live_sockets === 3 && now.upgrades === 6);
    const waits = (await state()).upgrade_calls.slice(3).map((call) => call.since_ms);
    check(`after five seconds each: ${waits}`, waits.every((ms) => ms >= 4900 && ms < 8000));
    for (const event of events) await emit(event, 2);
    await until('the same callbacks', () => events.every((event) =>
        got.some(([name, data]) => name === event && data.n === 2)));

    // A refused token, until somebody refreshes it.
    await command({ do: 'revoke_tokens' });
    await command({ do: 'cut' });
    await untilState('each is refused', (now) => events.every((event) => now.events[event].refused > 0));
    check('and told so', log.filter(([what, , why]) => what === 'error' && /401/.test(why)).length >= 3);
    const refreshed = await post('PUT', '/instance/refreshToken/interop', { oldToken: token });
    check('the token is refreshed', refreshed.status === 201);
    token = refreshed.body.token;
    await untilState('the new one is good', (now) => now.live_sockets === 3);

    // The call as it is printed on the page asks for an event that does not exist.
    client({ url, token: () => token, seen, asPrinted: true })('chats.update', () => {});
    await untilState('another socket', (now) => now.live_sockets === 4);
    await command({ do: 'set', key: 'cut_event', value: 'chats.update' });
    const nonsense = (call) => call.event?.startsWith('[object') && call.status === 401;
    await untilState('the printed call is refused', (now) => now.upgrade_calls.some(nonsense));

    const after = await state();
    check('nothing was misread', after.bad_frames === 0 && after.unknown_paths === 0);
    check('no socket took the place of another', after.sockets.every((one) => one.replaced_ms === null));
    check('one login, one refresh', after.logins === 1 && after.refreshes === 1);
}

/// The official client: keys, namespaces that do not exist yet, and every way to be cut off.
async function v2() {
    await command({ do: 'set', key: 'api_key', value: 'first-key' });
    await command({ do: 'set', key: 'global', value: true });
    const dial = (nsp, options) => io(`${base}${nsp}`, {
        transports: ['websocket'], reconnectionDelay: 100, reconnectionDelayMax: 200, ...options,
    });

    // Refused keys. The auth object is not read.
    for (const options of [{}, { query: { apikey: 'wrong' } }, { auth: { apikey: 'first-key' } }]) {
        const refused = dial('/', { ...options, reconnection: false, forceNew: true });
        const error = await once(refused, 'connect_error');
        check(`refused with ${JSON.stringify(Object.keys(options))}: ${error.message}`, /400/.test(error.description?.message));
        refused.disconnect();
    }

    // A key in a header, and one in the query.
    const header = dial('/', { extraHeaders: { apikey: 'first-key' }, forceNew: true });
    await once(header, 'connect');
    header.disconnect();
    await untilState('the first one has left', (now) => now.live_sockets === 0);
    const root = dial('/', { query: { apikey: 'first-key' } });
    const got = [];
    root.onAny((name, message) => got.push(['/', name, message]));
    await once(root, 'connect');

    // Invalid namespace, and then the join on the same connection.
    const before = await state();
    const shop = dial('/shop-1', { query: { apikey: 'first-key' } });
    shop.onAny((name, message) => got.push(['/shop-1', name, message]));
    const upper = [];
    shop.on('MESSAGES_UPSERT', (message) => upper.push(message));
    const early = await once(shop, 'connect_error');
    check(`early: ${early.message}, active ${shop.active}`, early.message === 'Invalid namespace' && !shop.active);
    await emit(1);
    await until('the root namespace has the first event', () => got.length === 1);
    shop.connect();
    await once(shop, 'connect');
    const joins = (await state()).joins.filter((call) => call.namespace === '/shop-1').map((call) => call.joined);
    check(`joined in the end: ${joins}`, joins.join() === 'false,true');
    check('on the same connection', (await state()).upgrades === before.upgrades);

    // Events have dotted lower-case names and one argument.
    await emit(2);
    await until('an event in both namespaces', () => got.length === 3);
    const envelope = got.find(([nsp]) => nsp === '/shop-1');
    check(`${envelope[1]} in ${envelope[0]}`, envelope[1] === 'messages.upsert' && envelope[2].data.n === 2);
    check('nothing under the name of the configuration', upper.length === 0);

    // Cut and resume.
    await resumed('cut', () => command({ do: 'cut' }), 'transport close');
    await emit(3);
    await until('events after the cut', () => has('/', 3) && has('/shop-1', 3));

    // A dead peer: the server's pings no longer come.
    await command({ do: 'set', key: 'ping_interval_ms', value: 300 });
    await command({ do: 'set', key: 'ping_timeout_ms', value: 300 });
    await resumed('close', () => command({ do: 'close', code: 1005 }), 'transport close');
    await resumed('silence', () => command({ do: 'silent', on: true }), 'ping timeout');
    await emit(4);
    await until('events after the silence', () => has('/', 4) && has('/shop-1', 4));

    // A restart forgets the namespaces, and the official client does not ask for one again.
    await command({ do: 'expire_sessions' });
    const again = once(shop, 'connect_error');
    const back = once(root, 'connect');
    await command({ do: 'cut' });
    await back;
    check(`after a restart: ${(await again).message}, active ${shop.active}`, !shop.active);
    await emit(5);
    shop.connect();
    await once(shop, 'connect');

    // A refused key, until it is changed.
    await command({ do: 'revoke_tokens' });
    await command({ do: 'set', key: 'api_key', value: 'second-key' });
    const refusal = once(root.io, 'reconnect_error');
    await command({ do: 'cut' });
    const { message } = await refusal;
    check(`the key is refused: ${message}`, message === 'websocket error' && !root.connected);
    root.io.opts.query = { apikey: 'second-key' };
    await until('a new key is good', () => root.connected && shop.connected);
    await emit(6);
    await until('events with the new key', () => has('/', 6) && has('/shop-1', 6));

    root.disconnect();
    shop.disconnect();
    await untilState('no socket is left', (now) => now.live_sockets === 0);
    const after = await state();
    check('nothing was misread', after.bad_frames === 0 && after.unknown_paths === 0);
    const heard = got.filter(([nsp]) => nsp === '/shop-1').map(([, , message]) => message.data.n);
    check(`lost only before a join: ${heard}`, heard.join() === '2,3,4,6');

    function emit(n) {
        return command({ do: 'notify', body: { instance: 'shop-1', event: 'messages.upsert', data: { n } } });
    }

    function has(nsp, n) {
        return got.some(([its, , message]) => its === nsp && message.data.n === n);
    }

    /// Does something to the connection; both namespaces are left for this reason, and joined anew.
    async function resumed(what, fault, reason) {
        const left = Promise.all([once(root, 'disconnect'), once(shop, 'disconnect')]);
        const back = [once(root, 'connect'), once(shop, 'connect')];
        await fault();
        const reasons = await left;
        check(`${what}: ${reasons}`, reasons.every((one) => one === reason));
        await Promise.all(back);
        console.log(`ok   ${what}: both namespaces are back`);
    }
}

/// Waits for an event; there is a bound to every wait.
function once(emitter, name, withinMs = 20000) {
    return new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error(`timed out: ${name}`)), withinMs);
        emitter.once(name, (value) => {
            clearTimeout(timer);
            resolve(value);
        });
    });
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

async function post(method, path, body) {
    const headers = { apikey: 'interop-global-key', 'content-type': 'application/json' };
    const answer = await fetch(`${base}${path}`, { method, headers, body: JSON.stringify(body) });
    return { status: answer.status, body: await answer.json() };
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
    const found = { base: named('base'), control: named('control') };
    if (!found.base || !found.control) {
        console.error('usage: node run.mjs --base http://HOST:PORT --control http://HOST:PORT');
        process.exit(2);
    }
    return found;
}
