// A client of live updates for any page. It speaks the WebSocket protocol `blog.live.v1`, and where no WebSocket gets through
// it reads Server-Sent Events, which have the same cursors. After an interruption it comes back by itself, a little later each
// time, and goes on after the last event that it told of; the connection of a page that nobody looks at is let go.

const PROTOCOL = "blog.live.v1";
const SLOWEST = 30_000;
const LONGEST_HIDDEN = 300_000;

// `handlers` maps names of events to functions of their data; they hear of each event once, in order. `told` hears of the rest:
// connected(), lost(isSwitchedOff), refused() when what is followed may be hidden by now, and gap(), when the log does not
// reach back to the cursor: it takes the content anew and gives the cursor that goes with it, or null when it could not.
export function follow({ addresses, channels, cursor, handlers, told }) {
  let failures = 0;
  let gaps = 0;
  let hasSocketWorked = false;
  let isPaused = false;
  let connection = null; // `close` ends it, `wait` is what the server asked for
  let reconnecting, renewing, hiding;

  function connect() {
    clearTimeout(reconnecting);
    const opened = (connection = { close() {}, wait: null });
    // A socket that never opened may be held up on the way: every other attempt goes without.
    const open = !hasSocketWorked && failures % 2 === 1 ? overStream : overSocket;
    open(opened, (isSwitchedOff) => opened === connection && lost(isSwitchedOff));
  }

  function overSocket(opened, ended) {
    const url = new URL(addresses.socket, location.href);
    url.protocol = url.protocol.replace("http", "ws");
    const socket = new WebSocket(url, PROTOCOL);
    opened.close = () => socket.close();
    const send = (message) => socket.readyState === WebSocket.OPEN && socket.send(JSON.stringify(message));
    const subscribe = (index) => send({ type: "subscribe", id: `${index}`, channel: channels[index], after: cursor });

    const answers = {
      welcome() {
        hasSocketWorked = true;
        told.connected();
        channels.forEach((_, index) => subscribe(index));
      },
      subscribed() {
        failures = gaps = 0;
      },
      ping: () => send({ type: "pong" }),
      event: hear,
      gap: async ({ id }) => ((await renew()) ? subscribe(id) : socket.close()),
      error: ({ status }) => status === 404 && told.refused(),
      bye: ({ reconnect_ms }) => (opened.wait = between(reconnect_ms)),
    };
    socket.addEventListener("message", ({ data }) => {
      const message = JSON.parse(data);
      answers[message.type]?.(message);
    });
    socket.addEventListener("close", ({ code }) => ended(code === 1013));
  }

  function overStream(opened, ended) {
    const url = new URL(addresses.stream, location.href);
    for (const channel of channels) url.searchParams.append("channel", channel);
    url.searchParams.set("after", cursor);
    const stream = new EventSource(url);
    opened.close = () => stream.close();
    const on = (name, hearing) => stream.addEventListener(name, ({ data }) => hearing(data && JSON.parse(data)));
    const leave = () => {
      stream.close();
      ended(false);
    };

    on("open", () => {
      failures = 0;
      told.connected();
    });
    for (const name of Object.keys(handlers)) on(name, hear);
    on("gap", async () => {
      if (await renew()) opened.wait = 0;
      leave();
    });
    on("bye", ({ reconnect_ms }) => (opened.wait = between(reconnect_ms)));
    on("error", () => {
      if (failures > 0) told.refused(); // a stream that does not open keeps its reason to itself
      leave();
    });
  }

  function hear(message) {
    handlers[message.event]?.(message.data);
    cursor = message.cursor;
    gaps = 0;
  }

  // True when there is content to follow on from. A log that never has its own cursors is given up for a while.
  async function renew() {
    gaps += 1;
    renewing ??= told.gap().finally(() => (renewing = null));
    const fresh = gaps > 3 * channels.length ? null : await renewing;
    cursor = fresh ?? cursor;
    return fresh !== null;
  }

  function lost(isSwitchedOff) {
    const { wait } = connection;
    connection = null;
    if (isPaused) return;
    told.lost(isSwitchedOff);
    failures += 1;
    const longest = Math.min(SLOWEST, 500 * 2 ** failures);
    reconnecting = setTimeout(connect, wait ?? between([longest / 2, longest]));
  }

  // A page that nobody looks at for long catches up when somebody does.
  document.addEventListener("visibilitychange", () => {
    clearTimeout(hiding);
    if (document.hidden) hiding = setTimeout(pause, LONGEST_HIDDEN);
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
  // A page that the browser brings back from its cache has a closed socket, whose `close` event reconnects it.
  connect();
}

function between([least, most]) {
  return least + Math.random() * (most - least);
}
