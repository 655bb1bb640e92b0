// Drives the vendor's own SDK through its documented life, and checks by the simulator's own
// counters that everything came as it should. See README.md.

import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';

const require = createRequire(import.meta.url);
const RingCentral = defaultOf(require('@rc-ex/core'));
const WebSocketModule = require('@rc-ex/ws');
const WebSocketExtension = defaultOf(WebSocketModule);
const { base, control } = settings();
const FILTERS = ['/restapi/v1.0/account/~/extension/~/message-store'];

main().then(
    () => process.exit(0),
    (error) => {
        console.error(`FAILED: ${error.stack ?? error}`);
        process.exit(1);
    },
);

async function main() {
    const before = await state();
    const client = { server: base, clientId: 'sim-client', clientSecret: 'interop-secret' };
    const rc = new RingCentral(client);
    await rc.authorize({ jwt: 'interop.jwt.assertion' });
    check('a JWT is exchanged for a token', typeof rc.token.access_token === 'string');

    // Subscribe and notify.
    const one = session();
    await rc.installExtension(one.ext);
    check('the first hello gives a wsc', one.wscs.length === 1);
    const subscription = await one.ext.subscribe(FILTERS, (event) => one.got.push(event.body.n));
    check('the subscription is active', subscription.subscriptionInfo.status === 'Active');
    await command({ do: 'notify', n: 3 });
    await until('three notifications', () => one.got.length === 3);

    // Cut and recover, with notifications in between.
    await command({ do: 'cut' });
    await command({ do: 'notify', n: 4 });
    await until('autoRecoverSuccess', () => one.events.includes('autoRecoverSuccess'));
    await until('four buffered notifications', () => one.got.length === 7);
    check(`in order: ${one.got}`, one.got.every((n, at) => n === one.got[0] + at));

    // Refused recovery.
    await command({ do: 'set', key: 'recovery_answer', value: { mode: 'failed', times: 1, code: 'WSG-1003' } });
    await command({ do: 'cut' });
    await command({ do: 'notify', n: 2 });
    await until('autoRecoverFailed', () => one.events.includes('autoRecoverFailed'));
    await command({ do: 'notify', n: 1 });
    await until('a notification on the new subscription', () => one.got.length === 8);

    // Page refresh: the tokens, the wsc and the subscription are all that is left.
    const saved = { token: rc.token, wsc: one.wscs.at(-1), info: subscription.subscriptionInfo };
    clearInterval(one.ext.intervalHandle);
    clearTimeout(one.ext.pingServerHandle);
    one.ext.ws.terminate();
    await untilState('the old page is gone', (now) => now.live_sockets === before.live_sockets);
    await command({ do: 'notify', n: 1 });
    const page = new RingCentral(client);
    page.token = saved.token;
    await page.refresh();
    check('OAuth is refreshed', (await state()).refreshes === before.refreshes + 1);
    const two = session({ wscToken: saved.wsc, restOverWebSocket: true });
    await page.installExtension(two.ext);
    const restored = await two.ext.subscribe(FILTERS, (event) => two.got.push(event.body.n), saved.info);
    check('the subscription is the saved one', restored.subscriptionInfo.id === saved.info.id);
    await command({ do: 'notify', n: 1 });
    await until('the notifications of the refreshed page', () => two.got.length === 2);

    // REST over the socket, and what does not go there.
    const me = await page.restapi().account().extension().get();
    check('an extension over the socket', me.id === 1001);
    const pager = await page.restapi().account().extension().companyPager().post({
        from: { extensionId: '1001' }, to: [{ extensionId: '1001' }], text: 'Hello',
    });
    check('a pager message over the socket', pager.type === 'Pager');
    const missing = await page.get('/restapi/v1.0/nope').then(() => 200, (error) => error.response?.status);
    check('an unknown resource is a 404', missing === 404);
    const content = await page.restapi().account().extension().messageStore('1').content('9').get();
    check('binary content over HTTPS', Buffer.from(content).length === 6);

    await two.ext.revoke();
    await untilState('no socket is left', (now) => now.live_sockets === before.live_sockets);
    await page.revoke();

    const after = await state();
    const calls = (name) => after[name].slice(before[name].length);
    const outcomes = calls('upgrade_calls').map((call) => call.outcome).join(' ');
    check(`upgrades: ${outcomes}`, outcomes === 'fresh resumed failed resumed');
    check('one login', after.logins - before.logins === 1);
    check('one revocation', after.revocations - before.revocations === 1);
    const socket = calls('rest').filter((call) => call.via === 'socket').map((call) => `${call.method} ${call.status}`);
    check(`on the socket: ${socket.join(', ')}`, socket.join() === 'POST 200,POST 200,PUT 200,GET 200,POST 200,GET 404,DELETE 204');
    const https = calls('rest').filter((call) => call.via === 'rest').map((call) => `${call.method} ${call.status}`);
    check(`over HTTPS: ${https.join(', ')}`, https.join() === 'GET 200');
    check('one message, no duplicate', calls('messages').length === 1 && !calls('messages')[0].duplicate);
    check('two notifications were lost with the refused session', calls('notifications').filter((one) => one.written === 0).length === 2);
    check('nothing was misrouted', after.misrouted === before.misrouted);
    check('nothing came before the hello', after.early_frames === before.early_frames);
    check('no bad frames', after.bad_frames === before.bad_frames);
    console.log('PASSED');
}

/// An extension whose events are kept; a refused connection would end the process without the
/// listener on the socket.
function session(options = {}) {
    const ext = new WebSocketExtension({ autoRecover: { enabled: true }, ...options });
    const seen = { ext, events: [], wscs: [], got: [] };
    for (const name of ['newWsc', 'connectionReady', 'autoRecoverSuccess', 'autoRecoverFailed', 'autoRecoverError']) {
        ext.eventEmitter.on(name, (value) => {
            seen.events.push(name);
            if (name === 'newWsc') seen.wscs.push(value.token);
        });
    }
    ext.eventEmitter.on('newWebSocketObject', (ws) => ws.addEventListener('error', () => {}));
    return seen;
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

function defaultOf(module) {
    return module.default?.default ?? module.default ?? module;
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
