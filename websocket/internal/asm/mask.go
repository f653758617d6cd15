package main

import (
	"strconv"

	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// An xorer is a set of vector instructions.
type xorer struct {
	name      string
	needs     string // a sentence
	size      int    // of a vector, in bytes
	unroll    int    // vectors in one turn of the loop
	register  func() reg.VecVirtual
	broadcast func(key reg.Register, to reg.VecVirtual)
	load      func(from operand.Mem, to reg.VecVirtual)
	store     func(from reg.VecVirtual, to operand.Mem)
	xor       func(with, v reg.VecVirtual)
	done      func()
}

// mask writes the kernels of Mask and MaskCopy.
func mask(ctx *build.Context) {
	maskWith(ctx, xorer{
		name: "maskSSE2", needs: "Every amd64 has what it needs.", size: 16, unroll: 4, register: ctx.XMM,
		broadcast: func(key reg.Register, to reg.VecVirtual) {
			ctx.MOVQ(key, to)
			ctx.PSHUFD(operand.U8(0), to, to)
		},
		load:  func(from operand.Mem, to reg.VecVirtual) { ctx.MOVOU(from, to) },
		store: func(from reg.VecVirtual, to operand.Mem) { ctx.MOVOU(from, to) },
		xor:   func(with, v reg.VecVirtual) { ctx.PXOR(with, v) },
		done:  func() {},
	})
	maskWith(ctx, xorer{
		name: "maskAVX2", needs: "It needs AVX2.", size: 32, unroll: 4, register: ctx.YMM,
		broadcast: func(key reg.Register, to reg.VecVirtual) {
			ctx.VMOVQ(key, to.AsX())
			ctx.VPBROADCASTD(to.AsX(), to)
		},
		load:  func(from operand.Mem, to reg.VecVirtual) { ctx.VMOVDQU(from, to) },
		store: func(from reg.VecVirtual, to operand.Mem) { ctx.VMOVDQU(from, to) },
		xor:   func(with, v reg.VecVirtual) { ctx.VPXOR(with, v, v) },
		done:  func() { ctx.VZEROUPPER() },
	})
}

// maskWith writes a kernel that XORs n bytes, at least one vector. The first and
// the last vector of the source are loaded before anything is stored and are
// stored behind all others: whole vectors cover any n, what they cover twice gets
// the same value twice, and the source may be the destination. Between them the
// stores are aligned.
func maskWith(ctx *build.Context, x xorer) {
	ctx.Function(x.name)
	ctx.Attributes(attr.NOSPLIT)
	ctx.Pragma("noescape")
	ctx.SignatureExpr("func(dst, src *byte, n int, key uint32)")
	ctx.Doc(x.name+" XORs n bytes of src, which are at least "+strconv.Itoa(x.size)+", with key into dst.",
		x.needs)
	dst, src, n, key := ctx.GP64(), ctx.GP64(), ctx.GP64(), ctx.GP64()
	ctx.Load(ctx.Param("dst"), dst)
	ctx.Load(ctx.Param("src"), src)
	ctx.Load(ctx.Param("n"), n)
	ctx.Load(ctx.Param("key"), key.As32())

	head, tail, k := x.register(), x.register(), x.register()
	headAt, tailAt := ctx.GP64(), ctx.GP64()
	ctx.Comment("The first vector, and the last with the key turned to it.")
	x.broadcast(key, k)
	x.load(operand.Mem{Base: src}, head)
	x.xor(k, head)
	turn(ctx, key, n)
	x.broadcast(key, k)
	x.load(operand.Mem{Base: src, Index: n, Scale: 1, Disp: -x.size}, tail)
	x.xor(k, tail)
	ctx.MOVQ(dst, headAt)
	ctx.LEAQ(operand.Mem{Base: dst, Index: n, Scale: 1, Disp: -x.size}, tailAt)
	ctx.CMPQ(n, operand.U8(2*x.size))
	ctx.JBE(operand.LabelRef("ends"))

	ctx.Comment("The key turned back, and on to the first aligned byte that the first vector may leave.")
	skip, odd := ctx.GP64(), ctx.GP64()
	ctx.MOVQ(dst, odd)
	ctx.ANDQ(operand.U8(x.size-1), odd)
	ctx.MOVL(operand.U32(x.size), skip.As32())
	ctx.SUBQ(odd, skip)
	ctx.SUBQ(n, skip)
	turn(ctx, key, skip)
	ctx.ADDQ(n, skip)
	x.broadcast(key, k)
	ctx.ADDQ(skip, dst)
	ctx.ADDQ(skip, src)
	ctx.SUBQ(skip, n)
	maskLoop(ctx, x, dst, src, n, k)

	ctx.Label("ends")
	x.store(head, operand.Mem{Base: headAt})
	x.store(tail, operand.Mem{Base: tailAt})
	x.done()
	ctx.RET()
}

// maskLoop writes the vectors from dst on, as long as a whole one is left.
func maskLoop(ctx *build.Context, x xorer, dst, src, n reg.GPVirtual, k reg.VecVirtual) {
	step := x.size * x.unroll
	block := make([]reg.VecVirtual, x.unroll)
	ctx.SUBQ(operand.I32(step), n)
	ctx.JLT(operand.LabelRef("singles"))
	ctx.Label("blocks")
	for i := range block {
		block[i] = x.register()
		x.load(operand.Mem{Base: src, Disp: i * x.size}, block[i])
	}
	for i := range block {
		x.xor(k, block[i])
	}
	for i := range block {
		x.store(block[i], operand.Mem{Base: dst, Disp: i * x.size})
	}
	ctx.ADDQ(operand.I32(step), dst)
	ctx.ADDQ(operand.I32(step), src)
	ctx.SUBQ(operand.I32(step), n)
	ctx.JGE(operand.LabelRef("blocks"))

	ctx.Label("singles")
	ctx.ADDQ(operand.I32(step-x.size), n)
	ctx.JLT(operand.LabelRef("ends"))
	ctx.Label("single")
	one := x.register()
	x.load(operand.Mem{Base: src}, one)
	x.xor(k, one)
	x.store(one, operand.Mem{Base: dst})
	ctx.ADDQ(operand.U8(x.size), dst)
	ctx.ADDQ(operand.U8(x.size), src)
	ctx.SUBQ(operand.U8(x.size), n)
	ctx.JGE(operand.LabelRef("single"))
}

// turn rotates key to the byte that n bytes further meet.
func turn(ctx *build.Context, key, n reg.GPVirtual) {
	ctx.MOVL(n.As32(), reg.ECX)
	ctx.SHLL(operand.U8(3), reg.ECX)
	ctx.RORL(reg.CL, key.As32())
}
