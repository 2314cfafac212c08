package rules

// What storms of a text do to its further copies, whoever gets them. They are of the host, not of one domain.
const (
	// Widespread is at how many mailboxes copies of a text were held when a further mailbox may have one copy of it
	// instead of several. A newsletter that comes twice is held at none; and 20 mailboxes at which it came four times are
	// more than the aliases of one person.
	Widespread = 20

	// HeldFromServer is how many copies of a text that one server sent were held within an hour, when it takes part in a
	// storm. A few are no storm: an alert to five addresses that are all forwarded to one mailbox comes five
	// times whenever it comes, and four of them may be held.
	HeldFromServer = 60
)
