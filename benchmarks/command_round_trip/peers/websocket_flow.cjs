// The part of a Questionnaire that the WebSocket peer uses: steps, fields, enabling, and validation
// of answers.
'use strict'
const fs = require('node:fs')

module.exports = function readFlow (file) {
  const questionnaire = JSON.parse(fs.readFileSync(file, 'utf8'))

  const steps = []
  const fields = new Map()
  function collect (items, step, conditions) {
    for (const item of items) {
      const all = item.enableWhen ? [...conditions, item] : conditions
      if (item.type === 'group') {
        if (!item.repeats) collect(item.item ?? [], step, all)
      } else if (item.type !== 'display') {
        const extension = (end) => item.extension?.find((e) => e.url.endsWith(end))
        const field = {
          id: item.linkId,
          step: step.index,
          type: item.type,
          required: Boolean(item.required),
          conditions: all,
          maxLength: item.maxLength ?? 10_000,
          pattern: extension('/regex') && new RegExp(`^(?:${extension('/regex').valueString})$`, 'u'),
          options: item.answerOption && new Set(item.answerOption.map((o) => o.valueCoding?.code)),
          sensitive: Boolean(extension(':sensitive'))
        }
        fields.set(item.linkId, field)
        step.fields.push(field)
        collect(item.item ?? [], step, all)
      }
    }
  }
  questionnaire.item.forEach((item, index) => {
    const step = { id: item.linkId, index, fields: [] }
    steps.push(step)
    collect(item.item ?? [], step, item.enableWhen ? [item] : [])
  })
  const stepOf = new Map(steps.map((step) => [step.id, step]))

  function holds (item, answers) {
    const verdicts = item.enableWhen.map((when) => {
      const answer = answers[when.question]
      if (when.operator === 'exists') return (answer !== undefined) === when.answerBoolean
      const wanted = when.answerCoding?.code ?? when.answerBoolean ?? when.answerString
      const given = Array.isArray(answer) ? answer : [answer]
      const equal = given.some((each) => (each?.code ?? each) === wanted)
      return when.operator === '=' ? equal : answer !== undefined && !equal
    })
    return item.enableBehavior === 'any' ? verdicts.some(Boolean) : verdicts.every(Boolean)
  }

  const isDate = (value) => /^\d{4}(-\d\d(-\d\d)?)?$/.test(value) && !Number.isNaN(Date.parse(value))

  function faultOf (field, value) {
    switch (field.type) {
      case 'boolean': return typeof value === 'boolean' ? null : 'Yes or no.'
      case 'integer': return Number.isInteger(value) ? null : 'A whole number.'
      case 'date': return typeof value === 'string' && isDate(value) ? null : 'Not a date.'
      case 'choice': {
        const codes = (Array.isArray(value) ? value : [value]).map((each) => each?.code)
        const known = (code) => !field.options || field.options.has(code)
        return codes.every((code) => typeof code === 'string' && known(code)) ? null : 'No choice.'
      }
      default:
        if (typeof value !== 'string' && field.type !== 'open-choice') return 'Not a text.'
        if (value.length > field.maxLength) return 'Too long.'
        return field.pattern && !field.pattern.test(value) ? 'Not in the form that is asked.' : null
    }
  }

  // Enabled fields, their errors, and the progress of each step; computed after each new answer.
  function assess (session) {
    const { answers } = session
    session.enabled = steps.map((step) =>
      step.fields.filter((f) => f.conditions.every((item) => holds(item, answers))))
    session.errors = {}
    session.progress = session.enabled.map((on) => {
      let filled = 0; let required = 0
      const missing = []
      for (const field of on) {
        const value = answers[field.id]
        const fault = value === undefined ? null : faultOf(field, value)
        if (fault) session.errors[field.id] = fault
        if (field.required) {
          required++
          if (value !== undefined && !fault) filled++; else missing.push(field.id)
        } else if (fault) missing.push(field.id)
      }
      return { filled, required, missing }
    })
  }

  return { steps, fields, stepOf, assess }
}
