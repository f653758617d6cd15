/*
 * The merge of history and live messages, and the repair of a gap, in one channel.
 *
 * A publisher appends to the log, which hands each publication to the hub; one on
 * the way may get lost, come twice or late. The hub checks continuity, and reads the log
 * where it is broken. A client joins, reads what it has missed, hands on what was held
 * meanwhile and goes live; it may leave at any time and come back. The log may
 * forget its oldest publications.
 *
 * Whatever the order, the client gets each publication behind its position once and in
 * order (the assertions in TAKE), or is told that it cannot recover (declared) before
 * any later one; it is told so only if something was forgotten; and when all is quiet
 * it has heard of the last one (quiet).
 *
 * The lost, doubled, late and forgotten ones are bounded by FAULTS and TRIMS, the
 * comings of the client by STAYS, and what it holds by HELD; more begins the merge anew.
 * BUG plants a mistake: the check script sees to it that each is found.
 */
#ifndef N
#define N 4
#endif
#ifndef FAULTS
#define FAULTS 1
#endif
#ifndef TRIMS
#define TRIMS 1
#endif
#ifndef STAYS
#define STAYS 2
#endif
#ifndef HELD
#define HELD 2
#endif
#ifndef BUG
#define BUG 0
#endif

#define LIVE_FIRST 1    /* goes live before what is held is handed on */
#define NO_CHECK 2      /* the hub does not look at prev */
#define READ_FIRST 3    /* reads history before it joins */
#define TRIM_UNSEEN 4   /* does not notice that history begins too late */
#define DROP_HELD 5     /* drops what does not fit into what is held */

byte top;               /* the log holds the offsets from forgotten+1 to top */
byte forgotten;

chan wire = [8] of { byte };    /* from the log to the hub */
byte last;                      /* of the hub: the last that was handed on */

byte stay;              /* the client's present subscription; 0: none */
byte joined;            /* the subscription that the hub delivers to; 0: none */
bool live, overflow;
chan held = [HELD] of { byte };

byte position;          /* of the client */
byte got;               /* how many it has got */
bool declared;          /* it was told that it cannot recover */

#define TAKE(p) assert(p == position + 1); position = p; got++

/* The session's part, under its lock. s is whom the hub meant. */
inline deliver(s, p) {
	atomic {
		if
		:: s == 0 || s != stay
		:: s != 0 && s == stay && live -> TAKE(p)
		:: s != 0 && s == stay && !live && !overflow ->
			if
			:: nfull(held) -> held!p
			:: full(held) && BUG != DROP_HELD -> overflow = true
			:: full(held) && BUG == DROP_HELD
			fi
		:: s != 0 && s == stay && !live && overflow
		fi
	}
}

active proctype publisher() {
	byte faults = FAULTS, trims = TRIMS, late = 0;
	do
	:: top < N -> atomic {
		top++;
		if
		:: wire!top
		:: faults > 0 && top < N -> faults--	/* lost */
		:: faults > 0 -> faults--; wire!top; wire!top
		:: faults > 0 && late == 0 && top < N -> faults--; late = top
		fi;
		if
		:: late != 0 && late != top -> wire!late; late = 0
		:: else
		fi
	}
	:: trims > 0 && forgotten < top -> atomic { trims--; forgotten++ }
	:: top == N -> break
	od
}

active proctype hub() {
	byte p, next, target;
end:
	do
	:: wire?p ->
		atomic {
			if
			:: p <= last -> p = 0		/* known */
			:: p == last + 1 || BUG == NO_CHECK -> last = p; target = joined
			:: else -> skip
			fi
		}
		if
		:: p == 0
		:: p != 0 && p == last -> deliver(target, p)
		:: else ->
			/* A gap. What comes meanwhile is held in wire. */
			do
			:: last < p ->
				atomic {
					next = last + 1;
					if
					:: last < forgotten ->
						/* Everyone is told, and the log followed from here. */
						last = p;
						if
						:: joined != 0 && joined == stay -> stay = 0; live = false; overflow = false
						:: else
						fi;
						joined = 0; next = 0
					:: else -> last = next; target = joined
					fi
				}
				if
				:: next != 0 -> deliver(target, next)
				:: else
				fi
			:: last >= p -> break
			od
		fi
	od
}

/* Leaves, of its own accord or to begin anew. */
inline leave() {
	atomic { stay = 0; live = false; overflow = false; do :: held?_ :: empty(held) -> break od }
	joined = 0
}

active proctype client() {
	byte start, read, stays = 0, mine = 0, mark;
	do
	:: stay == 0 ->
		mine++;
		read = 0;
		if
		:: BUG == READ_FIRST -> read = top
		:: else
		fi;
		atomic { stay = mine; do :: held?_ :: empty(held) -> break od; live = false; overflow = false }
		/* The hub's lock: joining and the position are one step. It may have lost
		   this one again before the next line. */
		atomic { joined = mine; start = last }
		if
		:: BUG == READ_FIRST -> start = read
		:: else
		fi;
		/* One reading of the log, at some later time. */
		atomic {
			if
			:: stay != mine -> skip		/* told that it is lost */
			:: stay == mine && position < start ->
				if
				:: position < forgotten && BUG != TRIM_UNSEEN -> declared = true; position = start
				:: position < forgotten && BUG == TRIM_UNSEEN -> position = start
				:: else -> do :: position < start -> TAKE((position + 1)) :: else -> break od
				fi
			:: else
			fi
		}
		if
		:: BUG == LIVE_FIRST -> atomic { if :: stay == mine -> live = true :: else fi }
		:: else
		fi;
		/* What was held, then live, under the session's lock. */
		atomic {
			if
			:: stay != mine -> do :: held?_ :: empty(held) -> break od
			:: stay == mine && overflow -> skip
			:: stay == mine && !overflow ->
				do
				:: held?mark -> TAKE(mark)
				:: empty(held) -> break
				od;
				live = true
			fi
		}
		if
		:: stay == mine && overflow -> leave()
		:: else
		fi
	:: stay != 0 && live && stays < STAYS -> stays++; leave()
	:: timeout -> break
	od;
	/* quiet */
	assert(stay != 0 && live && top == N && position == N);
	assert(declared -> forgotten > 0 : got == N)
}
