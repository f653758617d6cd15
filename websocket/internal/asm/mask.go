package main

import (
	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// A masker is the function under way: what it reads.
type masker struct {
	*build.Context
	dst, src, n, key reg.GPVirtual
	next             reg.GPVirtual // the key for the byte that follows
}

// An xorer is a set of vector instructions.
type xorer struct {
	name      string // before those of labels
	size      int    // of a vector, in bytes
	unroll    int    // vectors in one turn of the loop
	register  func() reg.VecVirtual
	broadcast func(key reg.Register, to reg.VecVirtual)
	load      func(from operand.Mem, to reg.VecVirtual)
	store     func(from reg.VecVirtual, to operand.Mem)
	xor       func(with, v reg.VecVirtual)
	done      func()
}

// mask writes the kernel of Mask and MaskCopy.
func mask(ctx *build.Context) {
	ctx.Function("maskVectors")
	ctx.Attributes(attr.NOSPLIT)
	ctx.Pragma("noescape")
	ctx.SignatureExpr("func(dst, src *byte, n int, key uint32, avx2 bool) (next uint32)")
	ctx.Doc("maskVectors XORs n bytes of src with key into dst, which may be src or begin before it.",
		"It uses AVX2 where avx2 says so, and returns the key for the byte that follows.")
	m := &masker{Context: ctx, dst: ctx.GP64(), src: ctx.GP64(), n: ctx.GP64(), key: ctx.GP64(), next: ctx.GP64()}
	ctx.Load(ctx.Param("dst"), m.dst)
	ctx.Load(ctx.Param("src"), m.src)
	ctx.Load(ctx.Param("n"), m.n)
	ctx.Load(ctx.Param("key"), m.key.As32())
	ctx.MOVL(m.key.As32(), m.next.As32())
	m.bits(m.n)
	ctx.RORL(reg.CL, m.next.As32())
	ctx.Store(m.next.As32(), ctx.ReturnIndex(0))
	ctx.CMPQ(m.n, operand.U8(16))
	ctx.JB(operand.LabelRef("short"))
	ctx.CMPQ(m.n, operand.U8(32))
	ctx.JB(operand.LabelRef("sse2"))
	avx2 := ctx.GP32()
	ctx.Load(ctx.Param("avx2"), avx2.As8())
	ctx.TESTB(avx2.As8(), avx2.As8())
	ctx.JEQ(operand.LabelRef("sse2"))
	m.vectors(avx2Xorer(ctx))
	ctx.Label("sse2")
	m.vectors(sse2Xorer(ctx))
	m.short()
}

func sse2Xorer(ctx *build.Context) xorer {
	return xorer{
		name: "sse2", size: 16, unroll: 4, register: ctx.XMM,
		broadcast: func(key reg.Register, to reg.VecVirtual) {
			ctx.MOVQ(key, to)
			ctx.PSHUFD(operand.U8(0), to, to)
		},
		load:  func(from operand.Mem, to reg.VecVirtual) { ctx.MOVOU(from, to) },
		store: func(from reg.VecVirtual, to operand.Mem) { ctx.MOVOU(from, to) },
		xor:   func(with, v reg.VecVirtual) { ctx.PXOR(with, v) },
		done:  func() {},
	}
}

func avx2Xorer(ctx *build.Context) xorer {
	return xorer{
		name: "avx2", size: 32, unroll: 4, register: ctx.YMM,
		broadcast: func(key reg.Register, to reg.VecVirtual) {
			ctx.VMOVQ(key, to.AsX())
			ctx.VPBROADCASTD(to.AsX(), to)
		},
		load:  func(from operand.Mem, to reg.VecVirtual) { ctx.VMOVDQU(from, to) },
		store: func(from reg.VecVirtual, to operand.Mem) { ctx.VMOVDQU(from, to) },
		xor:   func(with, v reg.VecVirtual) { ctx.VPXOR(with, v, v) },
		done:  func() { ctx.VZEROUPPER() },
	}
}

// vectors writes what XORs at least one vector. The first and the last vector of
// the source are loaded before anything is stored and are stored behind all others:
// whole vectors cover any n, what they cover twice gets the same value twice, and
// the source may be the destination. Between them the stores are aligned.
func (m *masker) vectors(x xorer) {
	head, tail, k := x.register(), x.register(), x.register()
	headAt, tailAt := m.GP64(), m.GP64()
	m.Comment("The first vector, and the last with the key turned to it.")
	x.broadcast(m.key, k)
	x.load(operand.Mem{Base: m.src}, head)
	x.xor(k, head)
	x.broadcast(m.next, k)
	x.load(operand.Mem{Base: m.src, Index: m.n, Scale: 1, Disp: -x.size}, tail)
	x.xor(k, tail)
	m.MOVQ(m.dst, headAt)
	m.LEAQ(operand.Mem{Base: m.dst, Index: m.n, Scale: 1, Disp: -x.size}, tailAt)
	m.CMPQ(m.n, operand.U8(2*x.size))
	m.JBE(operand.LabelRef(x.name + "_ends"))

	m.Comment("The key turned to the last aligned byte that follows on the first vector.")
	skip, odd := m.GP64(), m.GP64()
	m.MOVQ(m.dst, odd)
	m.ANDQ(operand.U8(x.size-1), odd)
	m.MOVL(operand.U32(x.size), skip.As32())
	m.SUBQ(odd, skip)
	m.bits(skip)
	m.RORL(reg.CL, m.key.As32())
	x.broadcast(m.key, k)
	m.ADDQ(skip, m.dst)
	m.ADDQ(skip, m.src)
	m.SUBQ(skip, m.n)
	m.loop(x, k)

	m.Label(x.name + "_ends")
	x.store(head, operand.Mem{Base: headAt})
	x.store(tail, operand.Mem{Base: tailAt})
	x.done()
	m.RET()
}

// loop writes the vectors from dst on, as long as a whole one is left.
func (m *masker) loop(x xorer, k reg.VecVirtual) {
	step := x.size * x.unroll
	block := make([]reg.VecVirtual, x.unroll)
	m.SUBQ(operand.I32(step), m.n)
	m.JLT(operand.LabelRef(x.name + "_singles"))
	m.Label(x.name + "_blocks")
	for i := range block {
		block[i] = x.register()
		x.load(operand.Mem{Base: m.src, Disp: i * x.size}, block[i])
	}
	for i := range block {
		x.xor(k, block[i])
	}
	for i := range block {
		x.store(block[i], operand.Mem{Base: m.dst, Disp: i * x.size})
	}
	m.ADDQ(operand.I32(step), m.dst)
	m.ADDQ(operand.I32(step), m.src)
	m.SUBQ(operand.I32(step), m.n)
	m.JGE(operand.LabelRef(x.name + "_blocks"))

	m.Label(x.name + "_singles")
	m.ADDQ(operand.I32(step-x.size), m.n)
	m.JLT(operand.LabelRef(x.name + "_ends"))
	m.Label(x.name + "_single")
	one := x.register()
	x.load(operand.Mem{Base: m.src}, one)
	x.xor(k, one)
	x.store(one, operand.Mem{Base: m.dst})
	m.ADDQ(operand.U8(x.size), m.dst)
	m.ADDQ(operand.U8(x.size), m.src)
	m.SUBQ(operand.U8(x.size), m.n)
	m.JGE(operand.LabelRef(x.name + "_single"))
}

// bits puts 8*n into CL, to shift by.
func (m *masker) bits(n reg.GPVirtual) {
	m.MOVL(n.As32(), reg.ECX)
	m.SHLL(operand.U8(3), reg.ECX)
}

// short writes what XORs less than 16 bytes: in two words that may overlap, both of
// which are loaded before one is stored, or in single bytes.
func (m *masker) short() {
	first, last := m.GP64(), m.GP64()
	begin := operand.Mem{Base: m.src}
	end := func(base reg.Register, size int) operand.Mem {
		return operand.Mem{Base: base, Index: m.n, Scale: 1, Disp: -size}
	}
	m.Label("short")
	m.CMPQ(m.n, operand.U8(8))
	m.JB(operand.LabelRef("short_4"))
	m.MOVQ(begin, first)
	m.MOVQ(end(m.src, 8), last)
	for _, word := range []struct{ key, data reg.GPVirtual }{{m.key, first}, {m.next, last}} {
		twice := m.GP64()
		m.MOVQ(word.key, twice)
		m.SHLQ(operand.U8(32), twice)
		m.ORQ(twice, word.key)
		m.XORQ(word.key, word.data)
	}
	m.MOVQ(first, operand.Mem{Base: m.dst})
	m.MOVQ(last, end(m.dst, 8))
	m.RET()

	m.Label("short_4")
	m.CMPQ(m.n, operand.U8(4))
	m.JB(operand.LabelRef("short_1"))
	m.MOVL(begin, first.As32())
	m.MOVL(end(m.src, 4), last.As32())
	m.XORL(m.key.As32(), first.As32())
	m.XORL(m.next.As32(), last.As32())
	m.MOVL(first.As32(), operand.Mem{Base: m.dst})
	m.MOVL(last.As32(), end(m.dst, 4))
	m.RET()
	m.bytes()
}

// bytes writes what XORs less than 4 bytes.
func (m *masker) bytes() {
	m.Label("short_1")
	at := func(base reg.Register, i int) operand.Mem { return operand.Mem{Base: base, Disp: i} }
	for i := range 3 {
		m.CMPQ(m.n, operand.U8(i))
		m.JEQ(operand.LabelRef("short_0"))
		b := m.GP32()
		m.MOVBLZX(at(m.src, i), b)
		m.XORL(m.key.As32(), b)
		m.MOVB(b.As8(), at(m.dst, i))
		m.SHRL(operand.U8(8), m.key.As32())
	}
	m.Label("short_0")
	m.RET()
}
