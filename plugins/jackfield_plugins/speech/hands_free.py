"""The browser's side of hands-free talk.

It listens with the microphone, takes what is louder than the room as speech, and hands it over as
a WAV file in base64 once the speaker pauses. Meanwhile, and while a reply is written or spoken, it
does not listen.
"""

from __future__ import annotations

HTML = '<span class="dot"></span><span class="words" role="status"></span>'

CSS = """
.dot {
  display: inline-block; width: 0.6rem; height: 0.6rem; margin-right: 0.4rem;
  border-radius: 50%; background: var(--st-border-color);
}
.dot.on { background: var(--st-primary-color); }
.words { font-family: var(--st-font); font-size: 0.875rem; color: var(--st-text-color); }
"""

SCRIPT = """
const RATE = 16000;      // samples per second that are sent
const PAUSE = 1.0;       // seconds of silence that end what is said
const BEFORE = 0.4;      // seconds before it that are sent, too
const SHORTEST = 0.3;    // seconds; less is a noise
const LONGEST = 60;      // seconds after which it is sent in any case
const LOUDER = 3;        // times the room's own loudness
const QUIETEST = 0.008;  // loudness that is never taken for speech

function wav(blocks, rate) {
  const length = blocks.reduce((sum, block) => sum + block.length, 0);
  const whole = new Float32Array(length);
  let at = 0;
  for (const block of blocks) { whole.set(block, at); at += block.length; }
  const step = rate / RATE, count = Math.floor(length / step);
  const view = new DataView(new ArrayBuffer(44 + 2 * count));
  const text = (place, letters) =>
    [...letters].forEach((letter, n) => view.setUint8(place + n, letter.charCodeAt(0)));
  text(0, "RIFF"); view.setUint32(4, 36 + 2 * count, true); text(8, "WAVEfmt ");
  view.setUint32(16, 16, true); view.setUint16(20, 1, true); view.setUint16(22, 1, true);
  view.setUint32(24, RATE, true); view.setUint32(28, 2 * RATE, true);
  view.setUint16(32, 2, true); view.setUint16(34, 16, true);
  text(36, "data"); view.setUint32(40, 2 * count, true);
  for (let n = 0; n < count; n++) {
    const first = Math.floor(n * step), last = Math.max(first + 1, Math.floor((n + 1) * step));
    let sum = 0;
    for (let k = first; k < last; k++) sum += whole[k] ?? 0;
    const value = Math.max(-1, Math.min(1, sum / (last - first)));
    view.setInt16(44 + 2 * n, value * 32767, true);
  }
  const bytes = new Uint8Array(view.buffer);
  let letters = "";
  for (let n = 0; n < bytes.length; n += 32768)
    letters += String.fromCharCode(...bytes.subarray(n, n + 32768));
  return btoa(letters);
}

class Listener {
  constructor(parent, send) {
    this.parent = parent;
    this.send = send;
    this.running = this.waiting = false;
    this.room = 0.003;
    this.reset();
  }
  reset() { this.said = []; this.before = []; this.loud = 0; this.quiet = 0; this.talking = false; }
  say(words, on) {
    this.parent.querySelector(".words").textContent = words;
    this.parent.querySelector(".dot").classList.toggle("on", on);
  }
  async open() {
    this.say("Asking for the microphone", false);
    try {
      const audio = { echoCancellation: true, noiseSuppression: true };
      this.stream = await navigator.mediaDevices.getUserMedia({ audio });
    } catch (error) {
      this.say("No microphone: allow it in the browser, at https or on this computer", false);
      return;
    }
    if (this.closed) return this.close();
    this.context = new AudioContext();
    const source = this.context.createMediaStreamSource(this.stream);
    this.node = this.context.createScriptProcessor(2048, 1, 1);
    this.node.onaudioprocess = (event) => this.hear(event.inputBuffer.getChannelData(0));
    source.connect(this.node);
    this.node.connect(this.context.destination);
  }
  close() {
    this.closed = true;
    this.stream?.getTracks().forEach((track) => track.stop());
    if (this.node) this.node.onaudioprocess = null;
    this.context?.close();
  }
  hear(samples) {
    if (this.running) this.say("A reply is being written", false);
    else if (window.jackfieldPlayer?.speaking) this.say("Speaking", false);
    else if (this.waiting) this.say("Writing down what you said", false);
    else return this.listen(new Float32Array(samples));
    this.reset();
  }
  listen(samples) {
    const rate = this.context.sampleRate, seconds = samples.length / rate;
    const loudness = Math.sqrt(samples.reduce((sum, one) => sum + one * one, 0) / samples.length);
    const speech = loudness > Math.max(QUIETEST, this.room * LOUDER);
    if (!speech) this.room = 0.95 * this.room + 0.05 * loudness;
    if (!this.talking) {
      this.before.push(samples);
      while (this.before.length * seconds > BEFORE + SHORTEST) this.before.shift();
      this.loud = speech ? this.loud + seconds : 0;
      this.say("Listening", false);
      if (this.loud < SHORTEST / 2) return;
      this.talking = true;
      this.said = this.before;
      this.before = [];
    } else {
      this.said.push(samples);
      if (speech) this.loud += seconds;
    }
    this.quiet = speech ? 0 : this.quiet + seconds;
    this.say("Hearing you", true);
    if (this.quiet < PAUSE && this.said.length * seconds < LONGEST) return;
    const { said, loud } = this;
    this.reset();
    if (loud < SHORTEST) return;
    this.waiting = true;
    this.send(wav(said, rate));
  }
}

export default function ({ data, parentElement, setTriggerValue }) {
  let listener = parentElement.jackfieldListener;
  if (!listener) {
    listener = new Listener(parentElement, (sound) => setTriggerValue("recording", sound));
    parentElement.jackfieldListener = listener;
    listener.open();
  }
  listener.running = data.running;
  if (listener.handled !== data.handled) {
    listener.handled = data.handled;
    listener.waiting = false;
  }
  return () => {
    listener.close();
    delete parentElement.jackfieldListener;
  };
}
"""
