// The script of the vendor's page, with `ws` for the browser's WebSocket. Three things are not as
// they stand there: the address and the token come from outside, what happens is told to `seen`,
// and the call in `onclose` is the one that the page's own text asks for. The one that its complete
// example has instead, `socket(event)`, is here under `asPrinted`.

import WebSocket from 'ws';

const reconnectInterval = 5000;

export function client({ url, token, seen, testMessage = false, asPrinted = false }) {
    function socket(eventName, callback) {
        const ws = new WebSocket(`${url}?event=${encodeURIComponent(eventName)}&token=${encodeURIComponent(token())}`);

        ws.onopen = () => {
            seen('open', eventName);
            if (testMessage) ws.send(JSON.stringify({ message: 'test data' }));
        };

        ws.onmessage = (event) => {
            if (callback) {
                const data = JSON.parse(event.data)
                callback(data, event)
            }
        };

        ws.onerror = (error) => {
            seen('error', eventName, error.message);
        };

        ws.onclose = (event) => {
            seen('close', eventName, event.code);
            if (asPrinted) setTimeout(() => socket(event), reconnectInterval);
            else setTimeout(() => socket(eventName, callback), reconnectInterval);
        };
    }
    return socket;
}
