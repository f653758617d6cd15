package main

import (
	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

const vector = 32 // bytes

// A kernel is the function under way: what it reads and its constants.
type kernel struct {
	*build.Context
	p, n, at reg.GPVirtual // the text, its length, what is looked at

	// Loaded where the first byte beyond ASCII is met.
	prevHigh, prevLow, curHigh reg.VecVirtual // the tables
	nibble                     reg.VecVirtual // 0x0f in each byte
	third, fourth, top         reg.VecVirtual // see special
	failed                     reg.VecVirtual // not zero: the text is invalid
}

// validUTF8 writes the validation of a whole text, 32 bytes at a time, by the
// table lookups of Keiser and Lemire ("Validating UTF-8 in less than one
// instruction per byte", 2021).
func validUTF8(ctx *build.Context) {
	ctx.Function("validAVX2")
	ctx.Attributes(attr.NOSPLIT)
	ctx.Pragma("noescape")
	ctx.SignatureExpr("func(p []byte) bool")
	ctx.Doc("validAVX2 reports whether p, of at least 4 bytes, is UTF-8. It needs AVX2.")
	k := &kernel{Context: ctx, p: ctx.GP64(), n: ctx.GP64(), at: ctx.GP64()}
	ctx.Load(ctx.Param("p").Base(), k.p)
	ctx.Load(ctx.Param("p").Len(), k.n)
	ctx.XORL(k.at.As32(), k.at.As32())
	for _, v := range []*reg.VecVirtual{
		&k.prevHigh, &k.prevLow, &k.curHigh, &k.nibble, &k.third, &k.fourth, &k.top, &k.failed,
	} {
		*v = ctx.YMM()
	}
	block, before := ctx.YMM(), ctx.YMM()
	k.CMPQ(k.n, operand.U8(vector))
	k.JB(operand.LabelRef("short"))
	k.ascii()
	k.text(block, before)
	k.short(block, before)

	k.Label("rest")
	k.check(block, before)
	k.Label("end")
	k.incomplete(block)
	k.VPTEST(k.failed, k.failed)
	k.SETEQ(k.result())
	k.VZEROUPPER()
	k.RET()

	k.Label("valid")
	k.MOVB(operand.U8(1), k.result())
	k.VZEROUPPER()
	k.RET()
}

func (k *kernel) result() operand.Mem {
	b, err := k.ReturnIndex(0).Resolve()
	if err != nil {
		panic(err)
	}
	return b.Addr
}

// ascii goes over what is ASCII at the start of at least 32 bytes, four vectors at
// a time. It ends behind what it wrote with at on the block that is not all ASCII.
func (k *kernel) ascii() {
	v, bits, left := k.YMM(), k.GP32(), k.GP64()
	k.MOVQ(k.n, left)
	k.SUBQ(operand.I32(4*vector), left)
	k.JB(operand.LabelRef("ascii_singles"))
	k.Label("ascii")
	k.VMOVDQU(k.text32(0), v)
	for i := 1; i < 4; i++ {
		k.VPOR(k.text32(i*vector), v, v)
	}
	k.VPMOVMSKB(v, bits)
	k.TESTL(bits, bits)
	k.JNE(operand.LabelRef("beyond"))
	k.ADDQ(operand.I32(4*vector), k.at)
	k.CMPQ(k.at, left)
	k.JBE(operand.LabelRef("ascii"))

	k.Label("ascii_singles")
	k.MOVQ(k.n, left)
	k.SUBQ(operand.U8(vector), left)
	k.Label("ascii_single")
	k.CMPQ(k.at, left)
	k.JA(operand.LabelRef("ascii_last"))
	k.VMOVDQU(k.text32(0), v)
	k.VPMOVMSKB(v, bits)
	k.TESTL(bits, bits)
	k.JNE(operand.LabelRef("beyond"))
	k.ADDQ(operand.U8(vector), k.at)
	k.JMP(operand.LabelRef("ascii_single"))

	k.Label("ascii_last")
	k.VMOVDQU(operand.Mem{Base: k.p, Index: left, Scale: 1}, v)
	k.VPMOVMSKB(v, bits)
	k.TESTL(bits, bits)
	k.JEQ(operand.LabelRef("valid"))
}

// text32 is the vector that begins disp bytes behind at.
func (k *kernel) text32(disp int) operand.Mem {
	return operand.Mem{Base: k.p, Index: k.at, Scale: 1, Disp: disp}
}

// text checks at least 32 bytes from at on, and leaves the last of them, filled up
// with zeros, and the vector before them.
func (k *kernel) text(block, before reg.VecVirtual) {
	k.Label("beyond")
	k.constants()
	k.TESTQ(k.at, k.at)
	k.JNE(operand.LabelRef("text"))
	k.Comment("Nothing stands before the first block.")
	k.VPXOR(before, before, before)
	k.VMOVDQU(k.text32(0), block)
	k.check(block, before)
	k.ADDQ(operand.U8(vector), k.at)

	left, bits := k.GP64(), k.GP32()
	second := k.YMM()
	k.Label("text")
	k.MOVQ(k.n, left)
	k.SUBQ(k.at, left)
	k.CMPQ(left, operand.U8(2*vector))
	k.JB(operand.LabelRef("text_single"))
	k.VMOVDQU(k.text32(0), block)
	k.VMOVDQU(k.text32(vector), second)
	either := k.YMM()
	k.VPOR(block, second, either)
	k.VPMOVMSKB(either, bits)
	k.TESTL(bits, bits)
	k.JEQ(operand.LabelRef("text_ascii"))
	k.checkAt(block, 0)
	k.checkAt(second, vector)
	k.ADDQ(operand.U8(2*vector), k.at)
	k.JMP(operand.LabelRef("text"))

	k.Label("text_ascii")
	k.Comment("What comes before ASCII must be complete.")
	k.VMOVDQU(k.text32(-vector), before)
	k.incomplete(before)
	k.VPTEST(k.failed, k.failed)
	k.JNE(operand.LabelRef("end"))
	k.ADDQ(operand.U8(2*vector), k.at)
	k.JMP(operand.LabelRef("text"))

	k.Label("text_single")
	k.CMPQ(left, operand.U8(vector))
	k.JB(operand.LabelRef("text_rest"))
	k.VMOVDQU(k.text32(0), block)
	k.checkAt(block, 0)
	k.ADDQ(operand.U8(vector), k.at)
	k.SUBQ(operand.U8(vector), left)

	k.Label("text_rest")
	k.VMOVDQU(k.text32(-vector), before)
	k.VMOVDQA(before, block)
	k.TESTQ(left, left)
	k.JEQ(operand.LabelRef("end"))
	k.rest(block, left)
	k.JMP(operand.LabelRef("rest"))
}

// rest loads the last left bytes, 1 to 32, of a text of at least 16, with zeros
// behind them.
func (k *kernel) rest(block reg.VecVirtual, left reg.GPVirtual) {
	k.VMOVDQU(operand.Mem{Base: k.p, Index: k.n, Scale: 1, Disp: -16}, block.AsX())
	shift, table := k.GP64(), k.GP64()
	k.MOVQ(left, shift)
	k.NEGQ(shift)
	k.ANDQ(operand.U8(15), shift)
	k.LEAQ(shifts(k.Context), table)
	k.VPSHUFB(operand.Mem{Base: table, Index: shift, Scale: 1}, block.AsX(), block.AsX())
	k.CMPQ(left, operand.U8(16))
	k.JBE(operand.LabelRef("rest"))
	low := k.YMM()
	k.VMOVDQU(k.text32(0), low.AsX())
	k.VINSERTI128(operand.U8(1), block.AsX(), low, block)
}

// short loads a text of 4 to 31 bytes.
func (k *kernel) short(block, before reg.VecVirtual) {
	k.Label("short")
	bits := k.GP32()
	k.CMPQ(k.n, operand.U8(16))
	k.JB(operand.LabelRef("short_words"))
	k.VMOVDQU(k.text32(0), before.AsX())
	k.VPOR(operand.Mem{Base: k.p, Index: k.n, Scale: 1, Disp: -16}, before.AsX(), before.AsX())
	k.VPMOVMSKB(before.AsX(), bits)
	k.TESTL(bits, bits)
	k.JEQ(operand.LabelRef("valid"))
	k.constants()
	k.VPXOR(before, before, before)
	k.rest(block, k.n)
	k.JMP(operand.LabelRef("rest"))

	k.Label("short_words")
	low, high, ascii := k.GP64(), k.GP64(), k.GP64()
	k.words(low, high)
	k.MOVQ(low, ascii)
	k.ORQ(high, ascii)
	tops := k.GP64()
	k.MOVQ(operand.U64(0x8080808080808080), tops)
	k.TESTQ(tops, ascii)
	k.JEQ(operand.LabelRef("valid"))
	k.constants()
	k.VPXOR(before, before, before)
	k.VMOVQ(low, block.AsX())
	k.VPINSRQ(operand.U8(1), high, block.AsX(), block.AsX())
}

// words loads 4 to 15 bytes into two words, with zeros behind them.
func (k *kernel) words(low, high reg.GPVirtual) {
	shift := reg.RCX
	k.XORL(high.As32(), high.As32())
	k.CMPQ(k.n, operand.U8(8))
	k.JB(operand.LabelRef("words_4"))
	k.MOVQ(k.text32(0), low)
	k.MOVQ(operand.Mem{Base: k.p, Index: k.n, Scale: 1, Disp: -8}, high)
	k.Comment("By 8*(16-n) bits, in two steps: a word cannot be shifted by all of its bits.")
	k.MOVQ(k.n, shift)
	k.NEGQ(shift)
	k.LEAQ(operand.Mem{Base: shift, Index: shift, Scale: 1, Disp: 32}, shift)
	k.ADDQ(shift, shift)
	k.SHRQ(reg.CL, high)
	k.SHRQ(reg.CL, high)
	k.JMP(operand.LabelRef("words"))

	k.Label("words_4")
	middle := k.GP64()
	k.MOVL(k.text32(0), low.As32())
	k.MOVL(operand.Mem{Base: k.p, Index: k.n, Scale: 1, Disp: -4}, middle.As32())
	k.MOVQ(k.n, shift)
	k.SHLQ(operand.U8(3), shift)
	k.SUBQ(operand.U8(32), shift)
	k.SHLQ(reg.CL, middle)
	k.ORQ(middle, low)
	k.JMP(operand.LabelRef("words"))

	k.Label("words")
}

// constants loads them.
func (k *kernel) constants() {
	t := tables()
	k.VBROADCASTI128(table(k.Context, "prevHigh", t.prevHigh), k.prevHigh)
	k.VBROADCASTI128(table(k.Context, "prevLow", t.prevLow), k.prevLow)
	k.VBROADCASTI128(table(k.Context, "curHigh", t.curHigh), k.curHigh)
	k.VPBROADCASTB(constant(k.Context, "nibble", 0x0f), k.nibble)
	k.VPBROADCASTB(constant(k.Context, "third", third), k.third)
	k.VPBROADCASTB(constant(k.Context, "fourth", fourth), k.fourth)
	k.VPBROADCASTB(constant(k.Context, "top", continues), k.top)
	k.VPXOR(k.failed, k.failed, k.failed)
}

// checkAt checks the block that stands disp bytes behind at, and is not the first.
func (k *kernel) checkAt(block reg.VecVirtual, disp int) {
	prev1, prev2, prev3 := k.YMM(), k.YMM(), k.YMM()
	k.VMOVDQU(k.text32(disp-1), prev1)
	k.VMOVDQU(k.text32(disp-2), prev2)
	k.VMOVDQU(k.text32(disp-3), prev3)
	k.special(block, prev1, prev2, prev3)
}

// check checks a block that stands behind another.
func (k *kernel) check(block, before reg.VecVirtual) {
	middle, prev1, prev2, prev3 := k.YMM(), k.YMM(), k.YMM(), k.YMM()
	k.VPERM2I128(operand.U8(0x21), block, before, middle)
	k.VPALIGNR(operand.U8(15), middle, block, prev1)
	k.VPALIGNR(operand.U8(14), middle, block, prev2)
	k.VPALIGNR(operand.U8(13), middle, block, prev3)
	k.special(block, prev1, prev2, prev3)
}

// special looks each byte of a block up together with the byte before it, prev1.
// The tables give a bit for each way in which such a pair is wrong, and one where
// both are continuation bytes: that is right where two or three bytes before stands
// what begins three or four bytes, and only there.
func (k *kernel) special(block, prev1, prev2, prev3 reg.VecVirtual) {
	a, b, c := k.YMM(), k.YMM(), k.YMM()
	k.VPSRLW(operand.U8(4), prev1, a)
	k.VPAND(k.nibble, a, a)
	k.VPSHUFB(a, k.prevHigh, a)
	k.VPAND(k.nibble, prev1, b)
	k.VPSHUFB(b, k.prevLow, b)
	k.VPSRLW(operand.U8(4), block, c)
	k.VPAND(k.nibble, c, c)
	k.VPSHUFB(c, k.curHigh, c)
	k.VPAND(a, b, b)
	k.VPAND(b, c, c)
	k.Comment("What begins three bytes or four has its top bit left.")
	k.VPSUBUSB(k.third, prev2, prev2)
	k.VPSUBUSB(k.fourth, prev3, prev3)
	k.VPOR(prev2, prev3, prev2)
	k.VPAND(k.top, prev2, prev2)
	k.VPXOR(prev2, c, c)
	k.VPOR(c, k.failed, k.failed)
}

// incomplete fails the text if a code point goes on behind block.
func (k *kernel) incomplete(block reg.VecVirtual) {
	over := k.YMM()
	k.VPSUBUSB(ends(k.Context), block, over)
	k.VPOR(over, k.failed, k.failed)
}

// The constants of the function, each written once.

func table(ctx *build.Context, name string, t [16]byte) operand.Mem {
	return data(ctx, name, t[:])
}

func constant(ctx *build.Context, name string, b byte) operand.Mem {
	return data(ctx, name, []byte{b})
}

// shifts is a table of shuffles: the one i bytes from its start moves the 16-i
// bytes at the end of a vector to its start, with zeros behind them.
func shifts(ctx *build.Context) operand.Mem {
	var t [32]byte
	for i := range t {
		t[i] = byte(i)
		if i >= 16 {
			t[i] = 0x80
		}
	}
	return data(ctx, "shifts", t[:])
}

// ends has for each byte of a vector the greatest that ends a code point in it.
func ends(ctx *build.Context) operand.Mem {
	var t [vector]byte
	for i := range t {
		t[i] = 0xff
	}
	t[vector-3], t[vector-2], t[vector-1] = 0xef, 0xdf, 0xbf
	return data(ctx, "ends", t[:])
}

var written = map[*build.Context]map[string]operand.Mem{}

// data writes a constant, the first time, and returns where it is.
func data(ctx *build.Context, name string, bytes []byte) operand.Mem {
	if m, ok := written[ctx][name]; ok {
		return m
	}
	m := ctx.StaticGlobal(name)
	ctx.DataAttributes(attr.RODATA | attr.NOPTR)
	for i, b := range bytes {
		ctx.AddDatum(i, operand.U8(b))
	}
	if written[ctx] == nil {
		written[ctx] = map[string]operand.Mem{}
	}
	written[ctx][name] = m
	return m
}
