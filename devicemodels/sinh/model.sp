* i = g sinh(a v)/a; beyond |a v| = z_max the tangent. Port x carries the constant state: v(x) in V is g in S.
.subckt sinh p n x params: g=34.055e-6 a=2.0 z_max=40.0
.param z={a} gain={g/a} high={z_max} low={-z_max}
Bcell p n i = ({gain})*(sinh(max(({low}),min(({high}),({z})*v(p,n))))
+ + cosh(max(({low}),min(({high}),({z})*v(p,n))))*(({z})*v(p,n) - max(({low}),min(({high}),({z})*v(p,n)))))
Bx 0 x i = ({g})
Rx x 0 1
.ends sinh
