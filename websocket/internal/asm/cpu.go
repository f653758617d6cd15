package main

import (
	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/reg"
)

// cpu writes the two instructions that tell what the processor and the operating
// system can do.
func cpu(ctx *build.Context) {
	ctx.Function("cpuid")
	ctx.Attributes(attr.NOSPLIT)
	ctx.SignatureExpr("func(leaf, subleaf uint32) (eax, ebx, ecx, edx uint32)")
	ctx.Doc("cpuid is the instruction of that name.")
	ctx.Load(ctx.Param("leaf"), reg.EAX)
	ctx.Load(ctx.Param("subleaf"), reg.ECX)
	ctx.CPUID()
	ctx.Store(reg.EAX, ctx.Return("eax"))
	ctx.Store(reg.EBX, ctx.Return("ebx"))
	ctx.Store(reg.ECX, ctx.Return("ecx"))
	ctx.Store(reg.EDX, ctx.Return("edx"))
	ctx.RET()

	ctx.Function("xgetbv")
	ctx.Attributes(attr.NOSPLIT)
	ctx.SignatureExpr("func() (eax, edx uint32)")
	ctx.Doc("xgetbv reads the extended control register 0.")
	ctx.XORL(reg.ECX, reg.ECX)
	ctx.XGETBV()
	ctx.Store(reg.EAX, ctx.Return("eax"))
	ctx.Store(reg.EDX, ctx.Return("edx"))
	ctx.RET()
}
