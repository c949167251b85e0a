// Passes a person on to an endpoint's own host; without this script they press the button.
// Before the page has loaded, so that "back" does not lead here again.
document.querySelector("form[data-hand-over]")?.submit();
