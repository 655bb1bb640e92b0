// Drives the vendor's own SDK with the handlers of the vendor's "stay connected" guide, and checks
// by the simulator's own counters that everything came as it should. See README.md.

import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';

const { base, control, ca } = settings();

// Node reads the extra authority once, when it starts.
if (process.env.NODE_EXTRA_CA_CERTS !== ca) {
    const env = { ...process.env, NODE_EXTRA_CA_CERTS: ca };
    const child = spawn(process.execPath, process.argv.slice(1), { stdio: 'inherit', env });
    child.on('exit', (code) => process.exit(code ?? 1));
} else {
    main().then(
        () => process.exit(0),
        (error) => {
            console.error(`FAILED: ${error.message}`);
            process.exit(1);
        },
    );
}

async function main() {
    const { Agent } = createRequire(import.meta.url)('node-agent-sdk');
    // The guide's constants are 30 s and 10 s; the run shortens them, and the SDK does not care.
    const delayMs = 500;
    const keepaliveMs = 1000;
    const before = await state();
    const timing = { closedAt: [], connected: 0, closed: [], errors: [] };

    class StayConnectedAgent extends Agent {
        constructor(conf) {
            super(conf);
            this.on('connected', this.onConnected.bind(this));
            this.on('error', this.onError.bind(this));
            this.on('closed', this.onClosed.bind(this));
        }

        onConnected() {
            timing.connected += 1;
            // Bound, and with a callback: the guide's bare method would throw on the first tick.
            this._pingClock = setInterval(() => this.getClock({}, () => {}), keepaliveMs);
        }

        onError(err) {
            timing.errors.push(String(err && (err.code ?? err.message ?? err)));
            if (err && err.code < 1000) {
                this.reconnectWithDelay(false);
            }
        }

        onClosed(code) {
            timing.closed.push(code);
            timing.closedAt.push(Date.now());
            if (this._pingClock) clearInterval(this._pingClock);
            switch (code) {
                case 4401:
                case 4407:
                case 1011:
                    this.reconnectWithDelay(false);
                    break;
                default:
                    this.reconnectWithDelay(true);
                    break;
            }
        }

        reconnectWithDelay(skipTokenGeneration = false) {
            setTimeout(() => this.reconnect(skipTokenGeneration), delayMs);
        }
    }

    const agent = new StayConnectedAgent({
        accountId: '12345678',
        username: 'bot1',
        password: 'interop-password',
        csdsDomain: new URL(base).host,
    });
    await until('the first connection', () => timing.connected === 1);
    const clock = await ask(agent, 'getClock', {});
    check('getClock answers the time', Number.isInteger(clock.currentTime));
    const subscription = await ask(agent, 'subscribeExConversations', { convState: ['OPEN'] });
    check('subscribe answers an id', typeof subscription.subscriptionId === 'string');
    const published = await ask(agent, 'publishEvent', {
        dialogId: 'd0000000-0000-4000-8000-000000000001',
        event: { type: 'ContentEvent', contentType: 'text/plain', message: 'hello' },
    });
    check('publishEvent answers sequence 1', published.sequence === 1);

    let notified = 0;
    agent.on('ms.MessagingEventNotification', () => { notified += 1; });
    await command({ do: 'notify', n: 2, body: { dialogId: 'd1', message: 'pushed' } });
    await until('two notifications', () => notified === 2);

    await command({ do: 'close', code: 4401, reason: 'token revoked' });
    await until('the second connection', () => timing.connected === 2);
    await ask(agent, 'getClock', {});

    await command({ do: 'cut' });
    await until('the third connection', () => timing.connected === 3);
    await ask(agent, 'getClock', {});
    await untilState('keepalive on the last socket', (now) => {
        const clocks = now.requests['.GetClock'] ?? [];
        return clocks.length >= 4;
    });
    const after = await state();
    agent.dispose();
    await untilState('no socket is left', (now) => now.live_sockets === before.live_sockets);

    const calls = (name) => after[name].slice(before[name].length);
    const bearers = calls('upgrade_calls').map((call) => `${call.bearer}:${call.status}`);
    const issued = calls('login_calls').map((call) => call.bearer);
    const [first, second] = issued;
    check('two logins, both good', issued.length === 2 && first && second && first !== second);
    check(
        `upgrades ${bearers.join(' ')}`,
        JSON.stringify(bearers) === JSON.stringify([first, second, second].map((b) => `${b}:101`)),
    );
    check('one domain lookup: the SDK caches it for a minute', after.csds - before.csds === 1);
    const [, relogin] = calls('login_calls').map((call) => call.t_ms);
    const upgrades = calls('upgrade_calls').map((call) => call.t_ms);
    check('the new token is made before the second upgrade', relogin <= upgrades[1]);
    check('no login between the last two upgrades', relogin <= upgrades[1] && issued.length === 2);
    check(`close codes ${timing.closed}`, timing.closed.join() === '4401,1006');
    check(`errors seen: ${timing.errors.length}`, timing.errors.length === 0);
    check('pings by the SDK', after.pings.length - before.pings.length >= 3);
    check('no bad frames', after.bad_frames === before.bad_frames);
    check('one message, no duplicate', calls('messages').filter((m) => !m.duplicate).length === 1);
    console.log('PASSED');
}

function ask(agent, method, body) {
    return new Promise((resolve, reject) => {
        agent[method](body, (error, answer) => (error ? reject(new Error(`${method}: ${JSON.stringify(error)}`)) : resolve(answer)));
    });
}

function check(what, good) {
    console.log(`${good ? 'ok  ' : 'FAIL'} ${what}`);
    if (!good) throw new Error(what);
}

async function until(what, test, withinMs = 15000) {
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
    const found = { base: named('base'), control: named('control'), ca: named('ca') };
    if (!found.base || !found.control || !found.ca) {
        console.error('usage: node run.mjs --base https://HOST:PORT --control http://HOST:PORT --ca FILE');
        process.exit(2);
    }
    return found;
}
