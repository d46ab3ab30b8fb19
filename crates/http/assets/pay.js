// The one script of the payment page. Every page works without it; with it, typing is easier. It loads nothing, keeps
// nothing, and sends nothing anywhere but to the gateway that the page came from.
(function () {
  "use strict";
  var doc = document;
  var byId = function (id) { return doc.getElementById(id); };
  // In a frame of the shop's there is little room.
  if (window.parent !== window) doc.documentElement.className = "framed";
  // Leading digits of mada cards; they lie inside the ranges of the international brands.
  var MADA = " 400861 401757 407197 407395 409201 410621 410685 410834 412565 417633 419593 420132 421141 422817 422818 422819 422820 422821 422822 422823 422824 428331 428671 428672 428673 431361 432328 434107 439954 440533 440647 440795 445564 446393 446404 446672 455036 455708 457865 457997 458456 462220 468540 468541 468542 468543 474491 483010 483011 483012 484783 486094 486095 486096 489318 489319 504300 508160 513213 515079 520058 521076 524130 524514 524940 529415 529741 530060 530906 531095 531196 532013 535825 535989 536023 537767 543085 543357 549760 554180 555610 558563 585265 588845 588848 588850 588851 588982 588983 589005 589206 604906 605141 636120 968201 968202 968203 968204 968205 968206 968207 968208 968209 968211 ";

  // ---- what is typed ----

  // ASCII digits for those of Arabic, Persian and full-width keyboards; marks that nobody sees fall away.
  function plain(text) {
    return text
      .replace(/[\u061c\u200b-\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]/g, "")
      .replace(/[\u0660-\u0669\u06f0-\u06f9\uff10-\uff19]/g, function (c) { return String(c.charCodeAt(0) & 15); });
  }
  // Full-width digits begin at FF10, the others at xxx0: the low four bits are the digit in each of them.

  function digitsOf(text) { return plain(text).replace(/\D/g, ""); }

  function brandOf(digits) {
    if (digits.length >= 6 && MADA.indexOf(" " + digits.slice(0, 6) + " ") >= 0) return "MADA";
    if (/^(9818|507803|50780[89]|50781[01])/.test(digits)) return "MEEZA";
    if (/^4/.test(digits)) return "VISA";
    if (/^(5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720)/.test(digits)) return "MASTERCARD";
    if (/^3[47]/.test(digits)) return "AMEX";
    return "";
  }

  function luhn(digits) {
    var sum = 0;
    for (var i = 0; i < digits.length; i++) {
      var digit = Number(digits[digits.length - 1 - i]);
      if (i % 2) { digit *= 2; if (digit > 9) digit -= 9; }
      sum += digit;
    }
    return sum % 10 === 0;
  }

  function grouped(digits) {
    if (brandOf(digits) === "AMEX") {
      return [digits.slice(0, 4), digits.slice(4, 10), digits.slice(10)].filter(Boolean).join(" ");
    }
    return digits.replace(/(.{4})(?=.)/g, "$1 ");
  }

  // Writes `text` into the field and leaves the caret behind as many digits as it had before it.
  function rewrite(input, text) {
    if (input.value === text) return;
    var before = digitsOf(input.value.slice(0, input.selectionStart || 0)).length;
    input.value = text;
    if (doc.activeElement !== input) return;
    var at = 0;
    for (var seen = 0; at < text.length && seen < before; at++) if (/\d/.test(text[at])) seen++;
    // Behind a separator that was just written, when nothing but it comes next.
    while (at < text.length && /\D/.test(text[at]) && before > 0 && before === digitsOf(text).length) at++;
    input.setSelectionRange(at, at);
  }

  // The date as typed, such that the server reads the same; `fault` names what is wrong with it.
  function readExpiry(text) {
    var parts = plain(text).split(/\D+/).filter(Boolean);
    if (!parts.length) return { fault: "ExpiryMissing" };
    var month, year;
    var isMonth = function (part) { return part.length <= 2 && part >= 1 && part <= 12; };
    if (parts.length === 1 && (parts[0].length === 4 || parts[0].length === 6)) {
      month = parts[0].slice(0, 2); year = parts[0].slice(2);
      if (year.length === 2 ? isMonth(year) : month === "20" && isMonth(parts[0].slice(4))) return { fault: "ExpiryTurned" };
    } else if (parts.length === 2) {
      month = parts[0]; year = parts[1];
      if (month.length === 4) { month = parts[1]; year = parts[0]; }
      else if (!isMonth(month) && year.length === 2 && isMonth(year)) return { fault: "ExpiryTurned" };
    }
    if (!month || !isMonth(month) || !/^(20)?\d\d$/.test(year)) return { fault: "ExpiryUnreadable" };
    // Good to the end of its month and a day more, by the gateway's clock, as the server judges it.
    var end = Date.UTC(2000 + Number(year.slice(-2)), Number(month), 2);
    return { fault: end <= page.now ? "ExpiryPast" : "" };
  }

  function faultOf(input) {
    var digits = digitsOf(input.value);
    if (input.id === "card_number") {
      if (!digits) return "NumberMissing";
      if (digits.length < 12 || digits.length > 19) return "NumberNotDigits";
      return luhn(digits) ? "" : "NumberMistyped";
    }
    if (input.id === "expiry_date") return readExpiry(input.value).fault;
    if (input.id === "card_security_code") {
      if (!digits) return "CodeMissing";
      var number = byId("card_number");
      var brand = number ? brandOf(digitsOf(number.value)) : "";
      var fits = brand ? digits.length === (brand === "AMEX" ? 4 : 3) : digits.length === 3 || digits.length === 4;
      return fits ? "" : "CodeWrongLength";
    }
    return "";
  }

  // ---- the form ----

  var page = { sent: false, pressed: false, now: Date.now() };
  var card = byId("card");
  if (card) beginCard(card);

  function beginCard(form) {
    page.now = Number(form.getAttribute("data-now-ms"));
    var faults = JSON.parse(form.getAttribute("data-faults"));
    var inputs = ["card_number", "expiry_date", "card_security_code"].map(byId).filter(Boolean);
    // From here on the faults are told in the page's language.
    form.noValidate = true;
    inputs.forEach(function (input) {
      input.addEventListener("input", function (event) { typed(input, event); });
      input.addEventListener("blur", function () {
        var tell = function () { if (input.value && !page.sent) show(input, faultOf(input)); };
        // While a button is being pressed nothing may move from under the finger.
        if (page.pressed) addEventListener("pointerup", function () { setTimeout(tell, 0); }, { once: true });
        else tell();
      });
    });
    addEventListener("pointerdown", function () { page.pressed = true; }, true);
    ["pointerup", "pointercancel"].forEach(function (name) {
      addEventListener(name, function () { page.pressed = false; }, true);
    });
    if (byId("card_number")) markBrand();
    form.addEventListener("submit", function (event) {
      var wrong = inputs.filter(function (input) { return show(input, faultOf(input)); });
      summarize(wrong);
      if (wrong.length) event.preventDefault();
    });
    countDown();
    var told = byId("errors").hidden ? byId("notice") : byId("errors");
    if (told) told.focus();

    function typed(input, event) {
      var deleting = event.inputType && event.inputType.indexOf("delete") === 0;
      if (input.id === "card_number") {
        rewrite(input, grouped(digitsOf(input.value).slice(0, 19)));
        markBrand();
      } else if (input.id === "expiry_date") {
        rewrite(input, expiryText(input.value, deleting));
      } else {
        rewrite(input, digitsOf(input.value).slice(0, 4));
      }
      if (input.getAttribute("aria-invalid") && !faultOf(input)) show(input, "");
      if (!deleting && doc.activeElement === input) moveOn(input);
    }

    // Goes on where nothing more can be typed: a number of 16 digits may go on to 19 where its brand lets it.
    function moveOn(input) {
      var digits = digitsOf(input.value), next = "";
      var isAtEnd = input.selectionStart === input.value.length;
      if (input.id === "card_number" && isAtEnd && luhn(digits)) {
        var lengths = { AMEX: 15, MASTERCARD: 16, MADA: 16 };
        if (digits.length === lengths[brandOf(digits)]) next = "expiry_date";
      } else if (input.id === "expiry_date" && /^\d\d \/ \d\d$/.test(input.value) && !/20$/.test(input.value)) {
        if (!faultOf(input)) next = "card_security_code";
      }
      var target = next && byId(next);
      if (target && !target.value) target.focus();
    }

    function markBrand() {
      var brand = brandOf(digitsOf(byId("card_number").value));
      var hint = byId("card_security_code-hint");
      hint.textContent = form.getAttribute(brand === "AMEX" ? "data-code-hint-amex" : "data-code-hint");
      var isKnown = form.getAttribute("data-brands").split(" ").indexOf(brand) >= 0;
      doc.querySelectorAll("[data-brand]").forEach(function (mark) {
        var isIt = mark.getAttribute("data-brand") === brand;
        mark.className = isKnown ? (isIt ? "on" : "off") : "";
        if (isIt && isKnown) mark.setAttribute("aria-current", "true"); else mark.removeAttribute("aria-current");
        if (isIt && isKnown) say(mark.querySelector(".unseen").textContent);
      });
    }

    // Shows or takes away what is wrong with a field. Gives whether anything is.
    function show(input, fault) {
      var error = byId(input.id + "-error");
      error.textContent = fault ? faults[fault] : "";
      error.hidden = !fault;
      if (fault) input.setAttribute("aria-invalid", "true"); else input.removeAttribute("aria-invalid");
      return fault;
    }

    function summarize(wrong) {
      var box = byId("errors"), list = box.querySelector("ul");
      list.textContent = "";
      wrong.forEach(function (input) {
        var item = doc.createElement("li"), link = doc.createElement("a");
        link.href = "#" + input.id;
        link.textContent = byId(input.id + "-error").textContent;
        item.appendChild(link);
        list.appendChild(item);
      });
      box.hidden = !wrong.length;
      if (wrong.length) box.focus();
    }
  }

  // MM / YY while it is typed; what was pasted in another form is left to be read as it is.
  function expiryText(text, deleting) {
    var clean = plain(text);
    if (/^\s*\d{3,4}\s*[-\/.]/.test(clean) || digitsOf(clean).length > 4 && !/^\d\d?\s*\/\s*20\d\d$/.test(clean)) return clean;
    var parts = clean.split(/[^\d]+/).filter(Boolean);
    if (parts.length > 2) return clean;
    var month = parts[0] || "", year = parts[1] || "";
    if (parts.length < 2 && month.length > 2) { year = month.slice(2); month = month.slice(0, 2); }
    var hasSlash = /\D/.test(clean.trim()) || year;
    if (parts.length < 2 && month.length === 1 && (month > 1 || hasSlash) && !deleting) month = "0" + month;
    if (deleting && !year) return month;
    if (year || month.length === 2) return month + " / " + year;
    return month;
  }

  // ---- posting once ----

  doc.addEventListener("submit", function (event) {
    var form = event.target;
    if (event.defaultPrevented || form.target) return;
    if (page.sent) { event.preventDefault(); return; }
    page.sent = true;
    fillBrowser(form);
    var button = form.querySelector("button");
    if (!button) return;
    button.setAttribute("aria-disabled", "true");
    var sending = form.getAttribute("data-sending");
    if (sending) { button.textContent = sending; say(sending); }
  });
  // The back button may bring the page back as it was: then it can be posted again.
  window.addEventListener("pageshow", function (event) {
    var line = byId("time");
    if (event.persisted && line) location.replace(line.getAttribute("data-page"));
  });

  function say(text) {
    var live = byId("say");
    if (live && live.textContent !== text) live.textContent = text;
  }

  function countDown() {
    var line = byId("time");
    if (!line) return;
    var left = Number(line.getAttribute("data-left-ms")), ends = new Date(Date.now() + left);
    var local = ends.toLocaleTimeString(doc.documentElement.lang === "ar" ? "ar-u-nu-latn" : undefined, { hour: "2-digit", minute: "2-digit" });
    line.textContent = line.getAttribute("data-ends-at").replace("{}", local);
    if (left > 120000) {
      setTimeout(function () { line.textContent = line.getAttribute("data-ends-soon"); say(line.textContent); }, left - 120000);
    }
    setTimeout(function () { if (!page.sent) location.replace(line.getAttribute("data-page")); }, left + 1000);
  }

  // ---- 3-D Secure ----

  function fillBrowser(form) {
    var set = function (name, value) { if (form.elements[name]) form.elements[name].value = String(value); };
    var java = false;
    try { java = navigator.javaEnabled(); } catch (error) { java = false; }
    set("browser_java_enabled", java);
    set("browser_javascript_enabled", true);
    set("browser_language", navigator.language || "");
    set("browser_color_depth", screen.colorDepth);
    set("browser_screen_height", screen.height);
    set("browser_screen_width", screen.width);
    set("browser_tz", new Date().getTimezoneOffset());
    // The largest window that fits beside our own margins; in the frame of a shop there may be little height as well.
    var width = window.innerWidth - 40, isLow = window.innerHeight < 760;
    set("challenge_window_size", width >= 600 && isLow ? "04" : width >= 500 && !isLow ? "03" : width >= 390 ? "02" : "05");
  }

  // A page without a card form goes on by itself: at once, or when the 3DS method is over.
  var goOn = byId("go-on"), method = byId("method"), challenge = byId("challenge");
  if (goOn && goOn.tagName === "FORM") {
    goOn.querySelector("button").hidden = true;
    var leave = function () { if (!page.sent) goOn.requestSubmit ? goOn.requestSubmit() : (fillBrowser(goOn), page.sent = true, goOn.submit()); };
    if (method) {
      onOver("method", leave);
      setTimeout(leave, Number(method.getAttribute("data-wait-ms")));
      method.submit();
    } else {
      leave();
    }
  }
  if (challenge) {
    challenge.querySelector("button").hidden = true;
    if (challenge.getAttribute("data-shown") === "frame") {
      var frame = byId("challenge-frame");
      doc.querySelector("main").className = "wide";
      challenge.target = frame.name;
      frame.hidden = false;
      onOver("challenge", function () { location.replace(challenge.getAttribute("data-go-on")); });
    }
    challenge.submit();
  }
  // Inside the iframe: the page around it is told, and goes on. As a page of its own it goes on itself.
  if (goOn && goOn.tagName === "A") {
    if (window.parent !== window) window.parent.postMessage({ tollgate: goOn.getAttribute("data-over") }, location.origin);
    else location.replace(goOn.href);
  }

  function onOver(step, then) {
    window.addEventListener("message", function (event) {
      if (event.origin === location.origin && event.data && event.data.tollgate === step) then();
    });
  }

  // ---- a page that was changed ----

  // What is added to a page after it was read, or sends it elsewhere, is told to the gateway: its kind, and an origin.
  var reported = 0;
  function report(found, url) {
    if (reported++ >= 5 || !navigator.sendBeacon) return;
    var origin = "";
    try { origin = url ? new URL(url, location.href).origin : ""; } catch (error) { origin = ""; }
    navigator.sendBeacon("/page-reports", JSON.stringify({ tollgate: { found: found, origin: origin } }));
  }

  var KINDS = { SCRIPT: "script-added", IFRAME: "frame-added", OBJECT: "frame-added", EMBED: "frame-added", FORM: "form-added", INPUT: "field-added", TEXTAREA: "field-added" };
  function look(node) {
    if (node.nodeType !== 1) return;
    if (KINDS[node.tagName]) report(KINDS[node.tagName], node.src || node.action);
    node.querySelectorAll("script,iframe,object,embed,form,input,textarea").forEach(function (inner) {
      report(KINDS[inner.tagName], inner.src || inner.action);
    });
  }
  new MutationObserver(function (changes) {
    changes.forEach(function (change) {
      if (change.type === "attributes") report("form-action-changed", change.target.getAttribute(change.attributeName));
      else change.addedNodes.forEach(look);
    });
  }).observe(doc.documentElement, { subtree: true, childList: true, attributes: true, attributeFilter: ["action", "formaction"] });
  // A script that was in the page before ours ran, and is not of the release.
  doc.querySelectorAll("script").forEach(function (script) {
    if (script !== doc.currentScript) report("script-added", script.src);
  });
})();
