// The WebSocket peer: a careful implementation on `ws` and `better-sqlite3`. One process, one
// transaction per command, committed with synchronous=FULL before any screen receives its effect.
'use strict'
const fs = require('node:fs')
const http = require('node:http')
const { WebSocketServer } = require('ws')
const Database = require('better-sqlite3')

const order = JSON.parse(fs.readFileSync(process.argv[2], 'utf8'))
const { steps, fields, stepOf, assess } = require('./websocket_flow.cjs')(order.flow)

// --- the database -----------------------------------------------------------------------------

const db = new Database(order.database)
db.pragma('journal_mode = WAL')
db.pragma('synchronous = FULL')
db.exec(`CREATE TABLE sessions (session TEXT PRIMARY KEY, revision INTEGER, state TEXT);
  CREATE TABLE events (id INTEGER PRIMARY KEY, session TEXT, revision INTEGER, at TEXT,
    device TEXT, seq INTEGER, command_id TEXT, fact TEXT, UNIQUE (session, device, seq))`)
const insertEvent = db.prepare(
  'INSERT INTO events (session, revision, at, device, seq, command_id, fact) VALUES (?,?,?,?,?,?,?)')
const upsertSession = db.prepare('INSERT OR REPLACE INTO sessions VALUES (?,?,?)')
const commit = db.transaction((session, at, device, command, fact) => {
  if (command) {
    insertEvent.run(session.session, session.revision, at, device, command.seq,
      command.command_id, JSON.stringify(fact))
  }
  const { session: name, flow_ref, label, revision, step, furthest, answers, highlight, focus } = session
  const { host, patient, acknowledged } = session
  upsertSession.run(name, revision, JSON.stringify({
    session: name, flow_ref, label, revision, step, furthest, answers, highlight, focus, host,
    patient, acknowledged, updated_at: at
  }))
})

const sessions = new Map()
const sessionOf = new Map()
for (const [number, [name, host, patient]] of order.plan.entries()) {
  const session = {
    session: name,
    flow_ref: 'pre-registration-000000000000',
    label: `Room ${number}`,
    revision: 1,
    step: 0,
    furthest: 0,
    answers: {},
    highlight: null,
    focus: null,
    host,
    patient,
    acknowledged: { [host]: 0, [patient]: 0 },
    online: { [host]: null, [patient]: null },
    since: {},
    updated_at: new Date().toISOString()
  }
  assess(session)
  sessions.set(name, session)
  sessionOf.set(host, session)
  sessionOf.set(patient, session)
}
db.transaction(() => {
  for (const session of sessions.values()) commit(session, session.updated_at, null, null, null)
})()

// --- commands ---------------------------------------------------------------------------------

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i
class Refusal extends Error {
  constructor (code, message, details = {}) { super(message); this.code = code; this.details = details }
}

const isText = (value) => typeof value === 'string' && value.length > 0 && value.length <= 1024

function read (data) {
  let command
  try { command = JSON.parse(data) } catch { throw new Refusal('malformed', 'The payload is not JSON.') }
  if (typeof command !== 'object' || command === null) throw new Refusal('malformed', 'No object.')
  if (command.v !== 1) throw new Refusal('unsupported_version', 'Only version 1 is supported.')
  const sound = UUID.test(command.command_id) && Number.isSafeInteger(command.seq) && command.seq > 0
  if (!sound) throw new Refusal('malformed', 'command_id or seq')
  return command
}

const MOVES = {
  NAVIGATE: {
    by: 'host',
    decide (session, command) {
      if (!isText(command.step_id)) throw new Refusal('malformed', 'step_id')
      const target = stepOf.get(command.step_id)
      if (!target) throw new Refusal('unknown_step', 'The flow has no such step.')
      for (let index = session.step; index < target.index; index++) {
        const { missing } = session.progress[index]
        if (missing.length) throw new Refusal('step_incomplete', 'Not yet.', { fields: missing })
      }
      return { type: 'Navigated', step_index: target.index }
    }
  },
  HIGHLIGHT_FIELD: {
    by: 'host',
    decide (session, command) {
      if (command.field_id !== null) fieldOnStep(session, command.field_id)
      return { type: 'FieldHighlighted', field_id: command.field_id }
    }
  },
  ENTER_FIELD: {
    by: 'patient',
    decide (session, command) {
      const field = fieldOnStep(session, command.field_id)
      if (field.type === 'attachment') throw new Refusal('wrong_field_kind', 'A document.')
      if (command.value === undefined) throw new Refusal('malformed', 'value')
      return { type: 'FieldEntered', field_id: command.field_id, value: command.value }
    }
  }
}

function fieldOnStep (session, id) {
  if (!isText(id)) throw new Refusal('malformed', 'field_id')
  const field = fields.get(id)
  if (!field) throw new Refusal('unknown_field', 'The flow has no such field.')
  if (!session.enabled[session.step].includes(field)) {
    throw new Refusal('field_not_on_this_step', 'This is on another step.')
  }
  return field
}

function apply (session, fact) {
  switch (fact.type) {
    case 'Navigated':
      session.step = fact.step_index
      session.furthest = Math.max(session.furthest, fact.step_index)
      session.highlight = session.focus = null
      break
    case 'FieldHighlighted':
      session.highlight = fact.field_id
      break
    case 'FieldEntered':
      session.answers = { ...session.answers, [fact.field_id]: fact.value }
      session.focus = fact.field_id
      assess(session)
  }
}

function handle (session, device, data) {
  let command
  try {
    command = read(data)
    const last = session.acknowledged[device]
    if (command.seq <= last) return send(session, device)
    if (command.seq > last + 1) {
      throw new Refusal('sequence_gap', 'One is missing.', { expected_seq: last + 1 })
    }
    const move = MOVES[command.type]
    if (!move) throw new Refusal('unknown_type', 'Unknown message type.')
    if (session[move.by] !== device) throw new Refusal('not_allowed_for_role', 'Not yours.')
    if (command.expected_revision !== undefined && command.expected_revision !== session.revision) {
      throw new Refusal('stale_revision', 'The session has moved on.')
    }
    const fact = move.decide(session, command)
    const before = { ...session }
    apply(session, fact)
    session.revision++
    session.acknowledged = { ...session.acknowledged, [device]: command.seq }
    session.updated_at = new Date().toISOString()
    try {
      commit(session, session.updated_at, device, command, fact)
    } catch (error) {
      Object.assign(session, before)
      throw new Refusal('unavailable', 'This box cannot store anything just now.')
    }
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    const { code, message, details } = error
    sockets.get(device)?.send(JSON.stringify({
      v: 1, type: 'REJECTION', command_id: command?.command_id, seq: command?.seq, code, message, details
    }))
    return
  }
  send(session, session.host)
  send(session, session.patient)
}

// --- views ------------------------------------------------------------------------------------

function head (session, device) {
  const step = steps[session.step]
  return {
    v: 1,
    session: session.session,
    revision: session.revision,
    epoch: 1,
    updated_at: session.updated_at,
    acknowledged_seq: session.acknowledged[device],
    status: 'active',
    flow_ref: session.flow_ref,
    step_id: step.id,
    step_index: step.index,
    steps_total: steps.length,
    check_words: ['amber', 'river'],
    highlight: session.highlight,
    signature: null,
    help_requested: false,
    covered: false
  }
}

function shown (session, on, mask) {
  const values = {}
  for (const field of on) {
    const value = session.answers[field.id]
    if (value === undefined) continue
    const hidden = mask && field.sensitive
    values[field.id] = { value: hidden ? { masked: true, length: String(value).length } : value }
    if (session.errors[field.id]) values[field.id].error = session.errors[field.id]
  }
  return values
}

function documents (on) {
  const found = {}
  for (const field of on) if (field.type === 'attachment') found[field.id] = { status: 'missing' }
  return found
}

function patientView (session) {
  const on = session.enabled[session.step]
  return {
    ...head(session, session.patient),
    enabled: on.map((field) => field.id),
    documents: documents(on),
    reading: {},
    fields: shown(session, on, false),
    host_online: session.online[session.host] !== null
  }
}

function statusOf (session, index) {
  if (index === session.step) return 'current'
  if (index > session.furthest) return 'upcoming'
  return session.progress[index].missing.length ? 'incomplete' : 'complete'
}

function facilityView (session) {
  const on = session.enabled.flat()
  const progress = {}
  steps.forEach((step, index) => {
    const { filled, required } = session.progress[index]
    progress[step.id] = { status: statusOf(session, index), filled, required }
  })
  const participant = (device, role) => ({
    role, online: session.online[device] !== null, since: session.since[device], host: role === 'facility'
  })
  return {
    ...head(session, session.host),
    enabled: on.map((field) => field.id),
    documents: documents(on),
    reading: {},
    label: session.label,
    steps: progress,
    fields: shown(session, on, true),
    signatures: {},
    participants: {
      [session.host]: participant(session.host, 'facility'),
      [session.patient]: participant(session.patient, 'patient')
    },
    patient_focus: session.focus,
    code: null,
    code_expires_at: null
  }
}

const sockets = new Map()
function send (session, device) {
  const socket = sockets.get(device)
  if (!socket) return
  const view = device === session.host ? facilityView(session) : patientView(session)
  socket.send(JSON.stringify(view))
}

// --- connections ------------------------------------------------------------------------------

function present (session, device, online) {
  const now = new Date().toISOString()
  session.online[device] = online ? now : null
  session.since[device] = now
  session.revision++
  session.updated_at = now
  commit(session, now, null, null, null)
  send(session, session.host)
  send(session, session.patient)
}

const server = http.createServer()
const wss = new WebSocketServer({ noServer: true, maxPayload: 1 << 20 })
server.on('upgrade', (request, socket, head) => {
  const query = new URL(request.url, 'http://localhost').searchParams
  const device = query.get('device')
  const session = sessionOf.get(device)
  if (!session || order.secrets[device] !== query.get('secret')) {
    socket.end('HTTP/1.1 401 Unauthorized\r\n\r\n')
    return
  }
  wss.handleUpgrade(request, socket, head, (connection) => {
    sockets.get(device)?.terminate()
    sockets.set(device, connection)
    connection.on('message', (data) => handle(session, device, data))
    connection.on('close', () => {
      if (sockets.get(device) !== connection) return
      sockets.delete(device)
      present(session, device, false)
    })
    connection.on('error', () => connection.terminate())
    present(session, device, true)
  })
})
server.listen(order.port, '127.0.0.1')
