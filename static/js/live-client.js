// Client for live updates. Follows all channels of a page in one subscription, with one cursor. Uses the WebSocket protocol
// `blog.live.v1` and falls back to Server-Sent Events, which have the same cursors, if no WebSocket can be opened. Reconnects with
// exponential back-off and resumes after the last delivered event. Disconnects while the page is hidden for a long time.

const PROTOCOL = "blog.live.v1";
const MAX_BACKOFF = 30_000;
const MAX_HIDDEN = 300_000;
const MAX_GAPS = 3;

// `handlers` maps event names to functions that receive the event data, once per event and in order. `callbacks` are
// connected(), lost(isDisabled), refused() if a channel may no longer be visible, and gap() if the event log does not reach back
// to the cursor: it reloads the content and returns the new cursor, or null if that failed.
export function follow({ urls, channels, cursor, handlers, callbacks }) {
  let failures = 0;
  let gaps = 0;
  let hasSocketWorked = false;
  let isPaused = false;
  let connection = null; // `close` closes it; `wait` is the delay requested by the server, in ms
  let reconnecting, hiding;

  function connect() {
    clearTimeout(reconnecting);
    const opened = (connection = { close() {}, wait: null });
    // A proxy may block WebSockets: until one has worked, every second attempt uses the event stream.
    const open = !hasSocketWorked && failures % 2 === 1 ? overStream : overSocket;
    open(opened, (isDisabled) => opened === connection && lost(isDisabled));
  }

  function overSocket(opened, ended) {
    const url = new URL(urls.socket, location.href);
    url.protocol = url.protocol.replace("http", "ws");
    const socket = new WebSocket(url, PROTOCOL);
    opened.close = () => socket.close();
    const send = (message) => socket.readyState === WebSocket.OPEN && socket.send(JSON.stringify(message));
    const subscribe = () => send({ type: "subscribe", id: "page", channels, after: cursor });

    const onMessage = {
      welcome() {
        hasSocketWorked = true;
        callbacks.connected();
        subscribe();
      },
      subscribed(message) {
        cursor = message.cursor;
        failures = gaps = 0;
      },
      ping: () => send({ type: "pong" }),
      event: deliver,
      gap: async () => ((await reload()) ? subscribe() : socket.close()),
      error: ({ status }) => (status === 404 ? callbacks.refused() : socket.close()),
      bye: ({ reconnect_ms }) => (opened.wait = randomBetween(reconnect_ms)),
    };
    socket.addEventListener("message", ({ data }) => {
      const message = JSON.parse(data);
      onMessage[message.type]?.(message);
    });
    socket.addEventListener("close", ({ code }) => ended(code === 1013));
  }

  function overStream(opened, ended) {
    const url = new URL(urls.stream, location.href);
    for (const channel of channels) url.searchParams.append("channel", channel);
    url.searchParams.set("after", cursor);
    const stream = new EventSource(url);
    opened.close = () => stream.close();
    const on = (name, handle) => stream.addEventListener(name, ({ data }) => handle(data && JSON.parse(data)));
    const closeStream = () => {
      stream.close();
      ended(false);
    };

    on("open", () => {
      failures = 0;
      callbacks.connected();
    });
    for (const name of Object.keys(handlers)) on(name, deliver);
    on("gap", async () => {
      if (await reload()) opened.wait = 0;
      closeStream();
    });
    on("bye", ({ reconnect_ms }) => (opened.wait = randomBetween(reconnect_ms)));
    on("error", () => {
      if (failures > 0) callbacks.refused(); // EventSource does not report why it could not connect
      closeStream();
    });
  }

  function deliver(message) {
    handlers[message.event]?.(message.data);
    cursor = message.cursor;
    gaps = 0;
  }

  // Returns whether the content was reloaded. Gives up after repeated gaps, so that a faulty log cannot cause a reload loop.
  async function reload() {
    gaps += 1;
    const newCursor = gaps > MAX_GAPS ? null : await callbacks.gap();
    cursor = newCursor ?? cursor;
    return newCursor !== null;
  }

  function lost(isDisabled) {
    const { wait } = connection;
    connection = null;
    if (isPaused) return;
    callbacks.lost(isDisabled);
    failures += 1;
    const backoff = Math.min(MAX_BACKOFF, 500 * 2 ** failures);
    reconnecting = setTimeout(connect, wait ?? randomBetween([backoff / 2, backoff]));
  }

  // A page that was hidden for long catches up when it becomes visible.
  document.addEventListener("visibilitychange", () => {
    clearTimeout(hiding);
    if (document.hidden) hiding = setTimeout(pause, MAX_HIDDEN);
    else if (isPaused) resume();
  });

  function pause() {
    isPaused = true;
    clearTimeout(reconnecting);
    const opened = connection;
    connection = null;
    opened?.close();
  }

  function resume() {
    isPaused = false;
    connect();
  }

  addEventListener("online", () => connection === null && !isPaused && connect());
  // A page restored from the back/forward cache has a closed socket, whose `close` event reconnects.
  connect();
}

function randomBetween([min, max]) {
  return min + Math.random() * (max - min);
}
